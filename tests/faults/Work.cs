using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using Deployed;
using TestKit;

namespace Faults;

/// <summary>
/// Clients that write and read as people do, each answer recorded: submit, accept, look, go on. A client repeats what
/// was not answered with the same Idempotency-Key, and does not go on before it knows.
/// </summary>
internal sealed class Work
{
    public const string Subject = "dr-faults";

    private readonly Scene _scene;
    private readonly Func<Service> _at;
    private readonly TimeSpan _pause;
    private readonly double _deep;
    private readonly CancellationTokenSource _stop = new();
    private Task[] _writers = [];
    private readonly int _salt;

    /// <summary>How often a client asks before it takes it for failed; without a number until it loses its patience.</summary>
    public int? Tries { get; init; }

    /// <summary>Another way to the services, e.g. through a proxy: institution and role to a client.</summary>
    public Func<string, string, HttpClient>? Door { get; init; }

    public Work(Scene scene, Func<Service>? at = null, double pause = 0.05, double deep = 0.2)
    {
        (_scene, _at, _pause, _deep) = (scene, at ?? (() => scene.Referral), TimeSpan.FromSeconds(pause), deep);
        _salt = scene.Random.Next();
    }

    /// <summary>How long a client insists before it gives up.</summary>
    public TimeSpan Patience => TimeSpan.FromSeconds(60 * _scene.Patience);

    public static Work Start(Scene scene, int writers, double pause = 0.05, double deep = 0.2, Func<Service>? at = null) =>
        new Work(scene, at, pause, deep).Begin(writers);

    /// <summary>Lets this many clients work until <see cref="Stop"/>.</summary>
    public Work Begin(int writers)
    {
        _writers = [.. Enumerable.Range(0, writers).Select(n => Task.Run(() => Write(new Random(_salt + n))))];
        return this;
    }

    /// <summary>Returns when each client knows what became of its last request.</summary>
    public async Task Stop()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_writers);
    }

    /// <summary>Time from now to the next answer that is good.</summary>
    public async Task<double> NextGood(int more = 1)
    {
        var began = Stopwatch.GetTimestamp();
        var seen = Good;
        while (Good < seen + more && Stopwatch.GetElapsedTime(began) < Patience)
            await Task.Delay(5);
        return Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    public int Good;

    private async Task Write(Random random)
    {
        while (!_stop.IsCancellationRequested)
        {
            if (await Submit() is { } id)
                await GoOn(id, random);
            await Task.Delay(_pause).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task GoOn(Guid id, Random random)
    {
        if (random.Next(4) == 0)
            await Read(id, Alliance.Tertiary);
        if (random.Next(6) == 0)
            await Pry(id);
        if (random.Next(3) == 0)
            await Move(id, "claim", Alliance.Tertiary);
        await Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
        if (random.NextDouble() >= _deep)
            return;
        if (!await Booked(id))
            return;
        await Move(id, "dispatch", Alliance.Township, new { transport = "Ambulance", expectedArrival = DateTimeOffset.UtcNow.AddHours(3) });
        await Move(id, "arrive", Alliance.Tertiary, new { identifiedBy = "IdCard" });
        await Move(id, "complete-treatment", Alliance.Tertiary, new { diagnosisResult = "脑梗死", treatmentCourse = "溶栓", rehabEligible = true });
    }

    /// <summary>A new referral, recorded.</summary>
    public async Task<Guid?> Submit(object? slip = null)
    {
        slip ??= Patients.Slip();
        var key = Guid.NewGuid().ToString();
        var answer = await Insist(key, () => As(Alliance.Township).Command("/v1/referrals?submit=true", slip, key: key), 201);
        if (answer is null)
        {
            _scene.Recorder.GaveUp();
            return null;
        }
        return Submitted(answer);
    }

    /// <summary>Records an acknowledged submission.</summary>
    public Guid Submitted(Answer answer)
    {
        var id = answer.Json.GetProperty("id").GetGuid();
        _scene.Expect(_scene.Recorder.Submission(id, answer.Key), $"I1: {id} was acknowledged for two keys");
        _scene.Recorder.Ask(id, "submit", Alliance.Township);
        _scene.Recorder.Acknowledge(id, "submit", Alliance.Township);
        return id;
    }

    /// <summary>A move, recorded; false when it was refused or nobody answered.</summary>
    public async Task<bool> Move(Guid id, string verb, string institution, object? body = null, string role = "Clinician", params int[] alsoGood)
    {
        var key = Guid.NewGuid().ToString();
        _scene.Recorder.Ask(id, verb, institution);
        var answer = await Insist(key, () => As(institution, role).Command($"/v1/referrals/{id}/{verb}", body ?? new { }, ifMatch: "*", key: key), [200, .. alsoGood]);
        if (answer is not { Succeeded: true })
            return false;
        _scene.Recorder.Acknowledge(id, verb, institution);
        return true;
    }

    /// <summary>Reads slip and patient.</summary>
    public async Task<JsonElement?> Read(Guid id, string institution)
    {
        var answer = await Insist("read", () =>
        {
            _scene.Recorder.Ask(id, "read-patient", institution);
            return As(institution).GetAsync($"/v1/referrals/{id}");
        }, 200);
        if (answer is null)
            return null;
        _scene.Recorder.Acknowledge(id, "read-patient", institution);
        return answer.Json;
    }

    /// <summary>Somebody who is no party asks, is told that there is nothing, and leaves a row.</summary>
    public async Task Pry(Guid id)
    {
        var answer = await Insist("pry", () =>
        {
            _scene.Recorder.Ask(id, "read", Alliance.OtherTownship);
            return As(Alliance.OtherTownship).GetAsync($"/v1/referrals/{id}");
        }, 404);
        if (answer is not null)
            _scene.Recorder.Acknowledge(id, "read", Alliance.OtherTownship);
    }

    /// <summary>Waits until scheduling has found a place for it.</summary>
    public async Task<bool> Booked(Guid id)
    {
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Patience; await Task.Delay(50))
        {
            var answer = await Insist("state", () => As(Alliance.Township).GetAsync($"/v1/referrals/{id}/available-actions"), 200);
            if (answer is null)
                return false;
            if (answer.Json.GetProperty("state").GetString() == "Scheduled")
                return true;
        }
        _scene.Expect(false, $"{id} found no place");
        return false;
    }

    /// <summary>Asks until there is an answer: a broken connection, 503, 429 and "busy" are asked again.</summary>
    public async Task<Answer?> Insist(string key, Func<Task<HttpResponseMessage>> request, params int[] good)
    {
        var tries = 0;
        Answer? last = null;
        for (var began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < Patience; await Task.Delay(100))
        {
            if (tries++ == Tries)
                break;
            var answer = last = await Load.Ask(key, _scene.Elapsed, request);
            _scene.Recorder.Heard(answer);
            if (good.Contains(answer.Status))
            {
                Interlocked.Increment(ref Good);
                return answer;
            }
            if (answer.Status is 0 or 429 or 502 or 503 or 504 or 507 || answer.Status == 409 && answer.Body.Contains("\"busy\"", StringComparison.Ordinal))
                continue;
            _scene.Expect(false, $"an unexpected answer: {answer}");
            return null;
        }
        _scene.Expect(false, $"a request was not answered in {tries} tries, for as long as a client is patient, at last {last}");
        return null;
    }

    private HttpClient As(string institution, string role = "Clinician") => Door?.Invoke(institution, role) ?? _at().As(institution, role, Subject);
}
