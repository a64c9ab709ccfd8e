using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;

namespace Deployed;

/// <summary>What a caller was told, and how long it took.</summary>
/// <param name="Status">0 when the connection broke before an answer came.</param>
/// <param name="At">Seconds since the load began, at the request.</param>
public sealed record Answer(string Key, double At, double Took, int Status, string Body, string? MediaType, int? RetryAfter)
{
    public bool Succeeded => Status is >= 200 and < 300;
    public double Ended => At + Took;

    public JsonElement Json => JsonSerializer.Deserialize<JsonElement>(Body);

    public override string ToString() => $"{Status} after {Took * 1000:0} ms at {At:0.0} s {(Succeeded ? "" : Body)}";
}

/// <summary>
/// Requests at a steady rate, whether or not earlier ones have been answered: a slow answer does not thin the load out
/// and so hide itself.
/// </summary>
public sealed class Load
{
    private readonly ConcurrentQueue<Answer> _answers = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly Func<string, Task<HttpResponseMessage>> _request;
    private readonly Task _run;

    private Load(int perSecond, Func<string, Task<HttpResponseMessage>> request)
    {
        _request = request;
        _run = Task.Run(() => Run(perSecond));
    }

    /// <summary>Starts it; <paramref name="request"/> is given the Idempotency-Key to send.</summary>
    public static Load Of(int perSecond, Func<string, Task<HttpResponseMessage>> request) => new(perSecond, request);

    /// <summary>Seconds since it began.</summary>
    public double Now => _clock.Elapsed.TotalSeconds;
    public IReadOnlyList<Answer> Answers => [.. _answers];

    /// <summary>Sends no more, and returns when every request has been answered.</summary>
    public async Task<IReadOnlyList<Answer>> Stop()
    {
        await _stop.CancelAsync();
        await _run;
        return Answers;
    }

    private async Task Run(int perSecond)
    {
        var calls = new List<Task>();
        for (var n = 0; !_stop.IsCancellationRequested; n++)
        {
            var wait = TimeSpan.FromSeconds((double)n / perSecond) - _clock.Elapsed;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (!_stop.IsCancellationRequested)
                calls.Add(Task.Run(Call));
        }
        await Task.WhenAll(calls);
    }

    private async Task Call()
    {
        var key = Guid.NewGuid().ToString();
        _answers.Enqueue(await Ask(key, Now, () => _request(key)));
    }

    /// <summary>One request, measured; a connection that breaks is an answer with status 0.</summary>
    public static async Task<Answer> Ask(string key, double at, Func<Task<HttpResponseMessage>> request)
    {
        var began = Stopwatch.GetTimestamp();
        try
        {
            using var answer = await request();
            var body = await answer.Content.ReadAsStringAsync();
            return new(key, at, Stopwatch.GetElapsedTime(began).TotalSeconds, (int)answer.StatusCode, body, answer.Content.Headers.ContentType?.MediaType,
                (int?)answer.Headers.RetryAfter?.Delta?.TotalSeconds);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or IOException)
        {
            return new(key, at, Stopwatch.GetElapsedTime(began).TotalSeconds, 0, e.Message, null, null);
        }
    }

    /// <summary>The time within which 95 of 100 were answered.</summary>
    public static double P95(IEnumerable<Answer> answers)
    {
        var sorted = answers.Select(a => a.Took).Order().ToArray();
        return sorted.Length == 0 ? throw new InvalidOperationException("No answer to measure.") : sorted[(int)Math.Ceiling(sorted.Length * 0.95) - 1];
    }
}
