using System.Collections.Concurrent;
using System.Diagnostics;
using Deployed;
using TestKit;

namespace Load;

/// <summary>From a click in one institution to the signed request in another's system.</summary>
internal sealed class Webhooks(Alliance alliance)
{
    // to the row n one event of the log as e, all of them in turn
    private const string EventOfTheLog = """
        cross join (select count(*) as events from event) log
        join (select position, type, referral_id, row_number() over (order by position) - 1 as nr from event) e on e.nr = n % log.events
        """;

    private readonly TestDatabase _tables = alliance.Notification.Database;

    /// <summary>Twenty submissions a second; measured is from the request to the webhook that tells of it.</summary>
    public async Task<Result> Latency(int seconds)
    {
        await using var receiver = await Receiver.Open();
        var endpoint = await Listen(Alliance.Township, receiver.Address + "/latency", inOrder: true);
        var township = alliance.Referral.As(Alliance.Township);
        // the first messages go through code that is compiled for speed after thirty calls
        for (var i = 0; i < 100; i++)
            await Steps.Submission(township);
        await Eventually.Is(() => Task.FromResult(receiver.Received.Count >= 100), "the first webhooks came", seconds: 30);
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
        await Leave(Alliance.Township, endpoint);
        return Result.Of("request to webhook, three services; 20 a second", clock.Elapsed.TotalSeconds, times, errors) with { PerSecond = null };
    }

    /// <summary>An endpoint that was paused is resumed: how fast what waits for it goes out.</summary>
    public Task<Result> Drain(int messages) => Drain($"webhooks drained, {messages} that waited", messages, async _ =>
    {
        var township = alliance.Referral.As(Alliance.Township);
        var left = messages;
        var made = await Closed.Loop("events", 32, 600, async () =>
        {
            if (Interlocked.Decrement(ref left) < 0)
                return false;
            await Steps.Submission(township);
            return true;
        });
        return (made.Errors, made.FirstError);
    });

    /// <summary>The same of so many that only their rows are made.</summary>
    public Task<Result> DrainRows(int messages) => Drain($"webhooks drained, {messages:N0} that waited", messages, async endpoint =>
    {
        await _tables.Execute($"""
            insert into message (id, endpoint_id, type, referral_id, position, state, due_at, created_at)
            select gen_random_uuid(), @endpoint, e.type, e.referral_id, e.position, 'Waiting', now(), now()
            from generate_series(0, @messages - 1) n {EventOfTheLog}
            """, new { endpoint, messages });
        return (0, null);
    });

    private async Task<Result> Drain(string name, int messages, Func<Guid, Task<(int Errors, string? First)>> fill)
    {
        await using var receiver = await Receiver.Open();
        var owner = alliance.Notification.As(Alliance.Township, "Operator");
        var id = await Listen(Alliance.Township, receiver.Address + "/drain");
        using (var paused = await owner.Command($"/v1/endpoints/{id}/pause", null, ifMatch: "*"))
            await Steps.Good(paused);
        var (errors, first) = await fill(id);
        // all of them stand in the log, and wait
        await Eventually.Is(async () => await Waiting(id) >= messages, "the messages wait", seconds: 60);
        using (var resumed = await owner.Command($"/v1/endpoints/{id}/resume", null, ifMatch: "*"))
            await Steps.Good(resumed);
        await Eventually.Is(() => Task.FromResult(receiver.Received.Count >= messages), "all of them came", seconds: 60);
        await Leave(Alliance.Township, id);
        var took = (receiver.Received.Max(w => w.At) - receiver.Received.Min(w => w.At)).TotalSeconds;
        return new Result(name, messages / Math.Max(took, 0.001), null) { Errors = errors, FirstError = first };
    }

    // a long outage: the first message of every tenth referral was tried, and what stands behind it waits with it; the rest is due
    private const string Fill = $"""
        insert into message (id, endpoint_id, type, referral_id, position, state, attempts, step, due_at, created_at)
        select gen_random_uuid(), @endpoint, e.type, md5('u' || referral)::uuid, e.position, 'Waiting',
               case when tried and n % 10 = 0 then 3 else 0 end, case when tried and n % 10 = 0 then 3 else 0 end,
               case when tried then now() + referral * interval '1 second' else now() - interval '1 hour' + n * interval '10 ms' end, now() - interval '1 day'
        from (select n, n / 10 as referral, n / 10 % 10 = 0 as tried from generate_series(0, @count - 1) n) m {EventOfTheLog}
        """;

    /// <summary>An endpoint that answers 500, in order and subscribed to all that happens meanwhile.</summary>
    public async Task<Outage> Down()
    {
        var dead = await Receiver.Open();
        dead.Answers = 500;
        return new(this, dead, await Listen(Alliance.Tertiary, dead.Address + "/down", inOrder: true));
    }

    internal sealed class Outage(Webhooks webhooks, Receiver dead, Guid endpoint) : IAsyncDisposable
    {
        /// <summary>Puts so many messages on their way to it.</summary>
        public async Task Store(int count)
        {
            await webhooks._tables.Execute(Fill, new { endpoint, count });
            await webhooks._tables.Execute("analyze message");
            var tried = dead.Received.Count;
            await Eventually.Is(() => Task.FromResult(dead.Received.Count > tried), "they are being tried", seconds: 90);
        }

        /// <summary>The figure, or an error where so many did not stand in the table all the time.</summary>
        public async Task<Result> Beside(int count, Result measured)
        {
            var waiting = await webhooks.Waiting(endpoint);
            var named = measured.Named($"{measured.Name}, {count:N0} undelivered");
            return waiting >= count ? named : named with { Errors = 1, FirstError = $"only {waiting} of {count} were undelivered" };
        }

        public async ValueTask DisposeAsync()
        {
            await webhooks.Leave(Alliance.Tertiary, endpoint);
            await dead.DisposeAsync();
        }
    }

    private async Task<long> Waiting(Guid endpoint) => (await _tables.Query<long>(
        "select count(*) from message where endpoint_id = @endpoint and state = 'Waiting'", new { endpoint })).Single();

    private async Task<Guid> Listen(string institution, string url, bool inOrder = false)
    {
        using var created = await alliance.Notification.As(institution, "Operator").Command("/v1/endpoints", new { url, inOrder });
        return (await Steps.Good(created)).GetProperty("id").GetGuid();
    }

    // an endpoint that nobody answers any more would stand in the way of the steps after it
    private async Task Leave(string institution, Guid endpoint)
    {
        using var left = await alliance.Notification.As(institution, "Operator").DeleteAsync($"/v1/endpoints/{endpoint}");
        left.EnsureSuccessStatusCode();
    }
}
