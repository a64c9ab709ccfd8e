using System.Collections.Concurrent;
using System.Diagnostics;
using Deployed;
using TestKit;

namespace Load;

/// <summary>From a click in one institution to the signed request in another's system.</summary>
internal sealed class Webhooks(Alliance alliance)
{
    /// <summary>Twenty submissions a second; measured is from the request to the webhook that tells of it.</summary>
    public async Task<Result> Latency(int seconds)
    {
        await using var receiver = await Receiver.Open();
        await receiver.Subscribe(alliance, Alliance.Township, "/latency");
        var township = alliance.Referral.As(Alliance.Township);
        // the endpoint's first messages go through cold code
        for (var i = 0; i < 20; i++)
            await Steps.Submission(township);
        await Eventually.Is(() => Task.FromResult(receiver.Received.Count >= 20), "the first webhooks came", seconds: 30);
        receiver.Clear();

        var began = new ConcurrentDictionary<Guid, DateTimeOffset>();
        var errors = new ConcurrentBag<string>();
        var clock = Stopwatch.StartNew();
        var calls = new List<Task>();
        for (var n = 0; n < seconds * 20; n++)
        {
            var wait = TimeSpan.FromSeconds(n / 20.0) - clock.Elapsed;
            if (wait > TimeSpan.Zero)
                await Task.Delay(wait);
            calls.Add(Task.Run(async () =>
            {
                var at = DateTimeOffset.UtcNow;
                try
                {
                    began[await Steps.Submission(township)] = at;
                }
                catch (Exception e) when (e is HttpRequestException or InvalidOperationException)
                {
                    errors.Add(e.Message);
                }
            }));
        }
        await Task.WhenAll(calls);
        await Eventually.Is(() => Task.FromResult(receiver.Received.Count >= began.Count), "every webhook came", seconds: 30);
        var times = receiver.Received.Where(w => w.Name == "submitted")
            .Select(w => (w.At, Id: w.Event.GetProperty("data").GetProperty("id").GetGuid())).Where(w => began.ContainsKey(w.Id))
            .Select(w => (w.At - began[w.Id]).TotalMilliseconds).ToArray();
        return Result.Of("request to webhook, three services; 20 a second", clock.Elapsed.TotalSeconds, times, errors) with { PerSecond = null };
    }

    /// <summary>An endpoint that was paused is resumed: how fast what waits for it goes out.</summary>
    public async Task<Result> Drain(int messages)
    {
        await using var receiver = await Receiver.Open();
        var owner = alliance.Notification.As(Alliance.Township, "Operator");
        using var created = await owner.Command("/v1/endpoints", new { url = receiver.Address + "/drain" });
        var id = (await Steps.Good(created)).GetProperty("id").GetGuid();
        using (var paused = await owner.Command($"/v1/endpoints/{id}/pause", null, ifMatch: "*"))
            await Steps.Good(paused);
        var township = alliance.Referral.As(Alliance.Township);
        var left = messages;
        var made = await Closed.Loop("events", 32, 600, async () =>
        {
            if (Interlocked.Decrement(ref left) < 0)
                return false;
            await Steps.Submission(township);
            return true;
        });
        // all of them stand in the log, and wait
        await Eventually.Is(async () => (await alliance.Notification.Database.Query<long>(
            "select count(*) from message where endpoint_id = @id and state = 'Waiting'", new { id })).Single() >= messages, "the messages wait", seconds: 60);
        var clock = Stopwatch.StartNew();
        using (var resumed = await owner.Command($"/v1/endpoints/{id}/resume", null, ifMatch: "*"))
            await Steps.Good(resumed);
        await Eventually.Is(() => Task.FromResult(receiver.Received.Count >= messages), "all of them came", seconds: 60);
        var took = (receiver.Received.Max(w => w.At) - receiver.Received.Min(w => w.At)).TotalSeconds;
        return new Result($"webhooks drained, {messages} that waited", messages / Math.Max(took, 0.001), null) { Errors = made.Errors, FirstError = made.FirstError };
    }
}
