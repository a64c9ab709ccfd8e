using System.Collections.Concurrent;
using System.Diagnostics;
using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Sends what is due, so that no endpoint waits for another: each has a place of its own, further ones come out of a
/// bounded number, and those that fail share a quarter of it. A message is leased while an attempt is under way; a
/// lease that its worker did not outlive runs out by itself. Any number of instances may run.
/// </summary>
internal sealed class Dispatcher(
    NpgsqlDataSource database, Delivery delivery, Recorder recorder, Signals signals, WebhookSettings settings,
    TimeProvider clock, ILogger<Dispatcher> log) : BackgroundService
{
    private static readonly TimeSpan Sweep = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan FinishWithin = TimeSpan.FromSeconds(3);

    private sealed record Ended(Lane Lane, bool CountedAsFailing, Answer? Answer);

    // endpoints that fail share a quarter of the workers: however many hang, the others go on
    private readonly int _placesForFailing = Math.Max(1, settings.Workers / 4);
    // attempts report their end here; everything below belongs to the loop alone
    private readonly ConcurrentQueue<Ended> _ended = new();
    private readonly Dictionary<Guid, Lane> _lanes = [];
    private int _busy, _busyFailing;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var abort = new CancellationTokenSource();
        var recording = recorder.Run();
        var wanted = new HashSet<Guid>();
        var failures = 0;
        long? sweptAt = null;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await signals.WaitForDue(wanted, Sweep, stoppingToken);
                if (sweptAt is not { } last || Stopwatch.GetElapsedTime(last) >= Sweep)
                {
                    sweptAt = Stopwatch.GetTimestamp();
                    wanted.UnionWith(await EndpointsWithDueMessages(stoppingToken));
                }
                Settle();
                await Start(wanted, abort.Token, stoppingToken);
                failures = 0;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("Deliveries wait ({Failures} tries): {Reason} {SqlState}", failures, e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2000, 100 * failures)), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        // what is under way may end by itself; what does not is given back
        await Drain();
        await abort.CancelAsync();
        await Drain();
        recorder.Complete();
        await recording;
    }

    private async Task Drain()
    {
        var since = Stopwatch.GetTimestamp();
        for (Settle(); _busy > 0 && Stopwatch.GetElapsedTime(since) < FinishWithin; Settle())
            await Task.Delay(10);
    }

    private void Settle()
    {
        while (_ended.TryDequeue(out var ended))
        {
            ended.Lane.UnderWay--;
            _busy--;
            _busyFailing -= ended.CountedAsFailing ? 1 : 0;
            if (ended.Answer is { } answer)
                ended.Lane.Failing = !answer.Succeeded;
        }
    }

    private async Task<IEnumerable<Guid>> EndpointsWithDueMessages(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        return await connection.QueryAsync<Guid>("""
            select e.id
            from endpoint e
            where e.state = 'Active' and e.deleted_at is null and (e.not_before is null or e.not_before <= @Now)
                and exists (select 1 from message m where m.endpoint_id = e.id and m.state = 'Waiting' and m.due_at <= @Now)
            """, new { Now = clock.GetUtcNow() });
    }

    private async Task Start(HashSet<Guid> wanted, CancellationToken abort, CancellationToken ct)
    {
        var endpoints = new List<Guid>();
        var places = new List<int>();
        var left = settings.Workers - _busy;
        var leftForFailing = _placesForFailing - _busyFailing;
        foreach (var id in wanted.ToArray())
        {
            var lane = LaneOf(id);
            var free = lane.Failing ? Math.Min(lane.Free, leftForFailing)
                // the first place of a lane is always there: endpoints that hang can take all others, but not that one
                : Math.Min(lane.Free, Math.Max(left, lane.UnderWay == 0 ? 1 : 0));
            if (free > 0)
            {
                left -= free;
                leftForFailing -= lane.Failing ? free : 0;
                endpoints.Add(id);
                places.Add(free);
            }
            // without a place for want of workers it stays wanted; a busy lane wakes us itself, a resting one the sweep
            if (free > 0 || lane.Free == 0)
                wanted.Remove(id);
        }
        if (endpoints.Count == 0)
            return;
        foreach (var message in await Claim(endpoints, places, ct))
        {
            var lane = LaneOf(message.EndpointId);
            lane.Failing |= message.Failing;
            lane.UnderWay++;
            _busy++;
            _busyFailing += lane.Failing ? 1 : 0;
            _ = Attempt(lane, lane.Failing, message, abort);
        }
    }

    private async Task<IEnumerable<ClaimedMessage>> Claim(List<Guid> endpoints, List<int> places, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        await using var connection = await database.OpenConnectionAsync(ct);
        // a lease waits for no disk: one that a crash takes back is a message sent twice, as it would be anyway
        await using var rows = await connection.QueryMultipleAsync("""
            select set_config('synchronous_commit', 'off', true);
            with picked as (
                select m.id
                from unnest(@Endpoints, @Places) as w(endpoint_id, places)
                join endpoint e on e.id = w.endpoint_id and e.state = 'Active' and e.deleted_at is null
                    and (e.not_before is null or e.not_before <= @Now)
                cross join lateral (
                    select c.id
                    from message c
                    where c.endpoint_id = e.id and c.state = 'Waiting' and c.due_at <= @Now
                        and (c.leased_until is null or c.leased_until <= @Now)
                        -- in order: behind every earlier message of its referral, leased and failed ones included
                        and not (e.in_order and c.referral_id is not null and exists (
                            select 1 from message earlier
                            where earlier.endpoint_id = c.endpoint_id and earlier.referral_id = c.referral_id
                                and earlier.state = 'Waiting' and earlier.position < c.position))
                        -- nor before a replay has put everything earlier on its way
                        and not (e.in_order and exists (select 1 from replay r where r.endpoint_id = e.id and r.after < c.position))
                    order by c.due_at, c.ordinal
                    limit w.places
                    for update skip locked) m),
            taken as (
                update message m set leased_until = @LeasedUntil
                from picked where m.id = picked.id
                returning m.*)
            select t.id, t.endpoint_id, t.step, t.masked, coalesce(t.body, v.body) as body, e.url, e.failures > 0 as failing,
                array(select s.sealed from endpoint_secret s
                    where s.endpoint_id = t.endpoint_id and (s.expires_at is null or s.expires_at > @Now)
                    order by s.id desc) as secrets
            from taken t
            join endpoint e on e.id = t.endpoint_id
            left join event v on v.position = t.position
            order by t.ordinal
            """, new { Endpoints = endpoints.ToArray(), Places = places.ToArray(), Now = now, LeasedUntil = now + settings.Lease });
        await rows.ReadAsync<string>();
        return (await rows.ReadAsync<ClaimedMessage>()).AsList();
    }

    private async Task Attempt(Lane lane, bool countedAsFailing, ClaimedMessage message, CancellationToken abort)
    {
        await Task.Yield();
        Answer? answer = null;
        var startedAt = clock.GetUtcNow();
        var started = Stopwatch.GetTimestamp();
        try
        {
            answer = await lane.Send(delivery, message, abort);
        }
        catch (OperationCanceledException) when (abort.IsCancellationRequested)
        {
        }
        catch (Exception e)
        {
            // e.g. a secret sealed with another key: the owner sees it among the attempts
            log.LogError("Message {Message} could not be sent: {Reason}", message.Id, e.GetType().Name);
            answer = Answer.Unanswered("internal");
        }
        await recorder.Record(new(message, answer, startedAt, Stopwatch.GetElapsedTime(started)));
        _ended.Enqueue(new(lane, countedAsFailing, answer));
        signals.Due(message.EndpointId);
    }

    private Lane LaneOf(Guid endpoint) =>
        _lanes.TryGetValue(endpoint, out var lane) ? lane : _lanes[endpoint] = new(settings, clock);
}
