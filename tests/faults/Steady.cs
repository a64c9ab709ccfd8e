using System.Collections.Concurrent;
using Deployed;
using TestKit;

namespace Faults;

/// <summary>
/// Submissions at a steady rate, whether or not earlier ones have been answered. What was not answered 201 is asked
/// again with its key at the end, so that each submission ends acknowledged.
/// </summary>
internal sealed class Steady
{
    private readonly Scene _scene;
    private readonly ConcurrentDictionary<string, object> _slips = new();
    private readonly Load _load;

    private Steady(Scene scene, int perSecond)
    {
        _scene = scene;
        _load = Load.Of(perSecond, key => Send(key, _slips.GetOrAdd(key, _ => Patients.Slip())));
    }

    public static Steady Start(Scene scene, int perSecond) => new(scene, perSecond);

    /// <summary>Seconds since it began.</summary>
    public double Now => _load.Now;

    /// <summary>First answers to what was asked from that moment on.</summary>
    public IReadOnlyList<Answer> Since(double moment) => [.. _load.Answers.Where(a => a.At >= moment)];

    /// <summary>Ends it, and gets an answer to whatever has none. Returns the first answers.</summary>
    public async Task<IReadOnlyList<Answer>> Stop()
    {
        var answers = await _load.Stop();
        var work = new Work(_scene);
        foreach (var first in answers)
        {
            _scene.Recorder.Heard(first);
            var last = first.Status == 201 ? first : await work.Insist(first.Key, () => Send(first.Key, _slips[first.Key]), 201);
            if (last is null)
                _scene.Recorder.GaveUp();
            else
                work.Submitted(last);
        }
        return answers;
    }

    private Task<HttpResponseMessage> Send(string key, object slip) =>
        _scene.Referral.As(Alliance.Township, subject: Work.Subject).Command("/v1/referrals?submit=true", slip, key: key);
}
