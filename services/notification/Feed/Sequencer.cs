using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Gives every event its place in the log, in order within its referral, and in the same transaction puts the
/// messages for the endpoints that want it on their way. One sequencer works at a time, whatever the number of
/// instances: no position becomes visible after a higher one.
/// </summary>
internal sealed class Sequencer(
    NpgsqlDataSource database, Signals signals, FeedSettings settings, Telemetry telemetry, TimeProvider clock,
    ILogger<Sequencer> log) : BackgroundService
{
    /// <summary>The lock of the one sequencer at work; any constant of this database.</summary>
    public const long Lock = 0x5E90_E7CE;

    private const int BatchSize = 500;
    private static readonly TimeSpan Sweep = TimeSpan.FromMilliseconds(500);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await Run([], stoppingToken))
                {
                }
                failures = 0;
                await signals.Arrived.Wait(Sweep, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // nothing was committed: the arrivals stand as they were
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogError("The log stands still ({Failures} tries): {Reason} {SqlState}", failures, e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2000, 100 * failures)), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>Stores what was heard and gives it its place; all of it, or nothing.</summary>
    public async Task Take(IReadOnlyList<Heard> heard, CancellationToken ct)
    {
        if (await Run(heard, ct))
            signals.Arrived.Wake();
    }

    /// <summary>One turn; true when there may be more at once.</summary>
    private async Task<bool> Run(IReadOnlyList<Heard> heard, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var arrivals = await Arrived(connection, transaction, heard, now);
        if (arrivals.Count == 0)
        {
            // the ids in the inbox
            if (heard.Count > 0)
                await transaction.CommitAsync(ct);
            return false;
        }

        var turn = Order.Decide(arrivals, now, settings.WaitAtMost);
        var fanOut = await FanOut(connection, transaction, turn);
        await Write(connection, transaction, turn, fanOut, now);
        await transaction.CommitAsync(ct);

        signals.Due(fanOut.Messages.Select(m => m.Endpoint));
        signals.Logged();
        telemetry.Logged(turn.Told.Count);
        foreach (var (arrival, irregular) in turn.Told)
            if (irregular is { } kind)
            {
                telemetry.Irregular(kind);
                log.LogWarning("{Kind} in referral {Referral}: event {Sequence} follows {Told}", kind, arrival.ReferralId, arrival.Sequence, arrival.Told);
            }
        return arrivals.Count >= BatchSize;
    }

    // statements of their own: the ones after them see everything the sequencer before us committed; whose turn does not
    // come does not wait for ever
    private const string Pass = "select set_config('lock_timeout', '2s', true); select pg_advisory_xact_lock(@Lock) is null";

    // what is new, and what was held long enough; what else is held is not looked at again and again
    private const string Due = """
        with woken as materialized (
            (select id, referral_id from arrival where hold_until is null order by id limit @BatchSize)
            union all
            (select id, referral_id from arrival where hold_until <= @Now order by hold_until limit @BatchSize)),
        due as (
            select id from woken where referral_id is null
            union
            -- a referral is decided as a whole: a new event may set free those that are held
            select a.id from arrival a where a.referral_id in (select referral_id from woken))
        select a.id, a.event_id, a.type, a.referral_id, a.sequence, a.sender, a.receiver, a.previous_receiver, a.institution,
            a.on_behalf_of, a.direction, a.priority, a.department, a.sensitive, a.hold_until, coalesce(p.sequence, 0) as told
        from due join arrival a using (id)
        left join progress p on p.referral_id = a.referral_id
        order by a.id
        """;

    private static async Task<IReadOnlyList<Arrival>> Arrived(NpgsqlConnection connection, NpgsqlTransaction transaction, IReadOnlyList<Heard> heard, DateTimeOffset now)
    {
        var parameters = heard.Count > 0 ? Arrivals.Parameters(heard) : new();
        parameters.AddDynamicParams(new { Lock, BatchSize, Now = now });
        await using var rows = await connection.QueryMultipleAsync(
            heard.Count > 0 ? $"{Pass};\n{Arrivals.Store};\n{Due}" : $"{Pass};\n{Due}", parameters, transaction);
        await rows.ReadSingleAsync<string>();
        await rows.ReadSingleAsync<bool>();
        return (await rows.ReadAsync<Arrival>()).AsList();
    }

    private sealed record Addressed(long Position, Party Party);

    private sealed record Outgoing(Guid Id, long Position, Guid Endpoint, bool Masked, bool InOrder);

    private sealed record Fan(long First, IReadOnlyList<Addressed> Parties, IReadOnlyList<Outgoing> Messages);

    private static async Task<Fan> FanOut(NpgsqlConnection connection, NpgsqlTransaction transaction, Turn turn)
    {
        var told = turn.Told.Select(t => PartiesOf(t.Arrival)).ToArray();
        await using var rows = await connection.QueryMultipleAsync($"""
            select 1 + {EventLog.LastPosition};

            select {Subscriber.Columns}
            from endpoint
            where institution = any(@Institutions) and state <> 'Disabled' and deleted_at is null
            """, new { Institutions = told.SelectMany(those => those).Select(p => p.Institution).Distinct().ToArray() }, transaction);
        var first = await rows.ReadSingleAsync<long>();
        var subscribers = (await rows.ReadAsync<Subscriber>()).ToLookup(s => s.Institution);
        var parties = told.SelectMany((those, i) => those.Select(party => new Addressed(first + i, party))).ToArray();
        var messages = from addressed in parties
                       let arrival = turn.Told[(int)(addressed.Position - first)].Arrival
                       from subscriber in subscribers[addressed.Party.Institution]
                       where subscriber.Filter.Wants(arrival.Filtered, addressed.Party.Masked)
                       select new Outgoing(MessageId.Of(arrival.EventId, subscriber.Id), addressed.Position, subscriber.Id, addressed.Party.Masked, subscriber.InOrder);
        return new(first, parties, messages.ToArray());
    }

    private static IReadOnlyList<Party> PartiesOf(Arrival a) =>
        Party.Of(a.Sensitive, a.Sender, a.Receiver, a.PreviousReceiver, a.Institution, a.OnBehalfOf);

    private static Task Write(NpgsqlConnection connection, NpgsqlTransaction transaction, Turn turn, Fan fan, DateTimeOffset now)
    {
        var progress = turn.Told.Where(t => t.Arrival.ReferralId is not null)
            .GroupBy(t => t.Arrival.ReferralId!.Value)
            .Select(g => (Referral: g.Key, Sequence: g.Max(t => t.Arrival.Sequence!.Value))).ToArray();
        return connection.ExecuteAsync("""
            with told as (
                select * from unnest(@Told, @Irregular) with ordinality as t(id, irregular, nr)),
            taken as (
                delete from arrival a using told t where a.id = t.id
                returning a.*, t.irregular, @First + t.nr - 1 as position),
            logged as (
                insert into event (position, event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
                    previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, irregular, body)
                select position, event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
                    previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, irregular, body
                from taken),
            addressed as (
                insert into event_party (institution, position, masked)
                select * from unnest(@Institutions, @Positions, @Masked)),
            held as (
                update arrival a set hold_until = h.until
                from unnest(@Held, @Until) as h(id, until)
                where a.id = h.id and a.hold_until is distinct from h.until),
            moved as (
                insert into progress (referral_id, sequence)
                select * from unnest(@Referrals, @Sequences) as p(referral_id, sequence) order by referral_id
                on conflict (referral_id) do update set sequence = greatest(progress.sequence, excluded.sequence))
            insert into message (id, endpoint_id, type, referral_id, position, masked, state, due_at, created_at)
            select m.id, m.endpoint_id, t.type, t.referral_id, m.position, m.masked, 'Waiting',
                -- behind one that failed: not due before that one is
                case when m.in_order then coalesce((
                    select max(w.due_at) from message w
                    where w.endpoint_id = m.endpoint_id and w.referral_id = t.referral_id and w.state = 'Waiting'), @Now)
                else @Now end,
                @Now
            from unnest(@Messages, @Endpoints, @MessagePositions, @MessageMasked, @InOrder)
                as m(id, endpoint_id, position, masked, in_order)
            join taken t on t.position = m.position
            order by m.position
            on conflict (id) do nothing
            """, new
        {
            fan.First,
            Now = now,
            Told = turn.Told.Select(t => t.Arrival.Id).ToArray(),
            Irregular = turn.Told.Select(t => t.Irregular?.ToString()).ToArray(),
            Institutions = fan.Parties.Select(a => a.Party.Institution).ToArray(),
            Positions = fan.Parties.Select(a => a.Position).ToArray(),
            Masked = fan.Parties.Select(a => a.Party.Masked).ToArray(),
            Held = turn.Held.Select(h => h.Id).ToArray(),
            Until = turn.Held.Select(h => h.Until).ToArray(),
            Referrals = progress.Select(p => p.Referral).ToArray(),
            Sequences = progress.Select(p => p.Sequence).ToArray(),
            Messages = fan.Messages.Select(m => m.Id).ToArray(),
            Endpoints = fan.Messages.Select(m => m.Endpoint).ToArray(),
            MessagePositions = fan.Messages.Select(m => m.Position).ToArray(),
            MessageMasked = fan.Messages.Select(m => m.Masked).ToArray(),
            InOrder = fan.Messages.Select(m => m.InOrder).ToArray(),
        }, transaction);
    }
}

/// <summary>Settings of the log.</summary>
/// <param name="WaitAtMost">How long a missing event of a referral is waited for before later ones are let through.</param>
/// <param name="KeepLog">How long an event can be read, replayed and resent.</param>
/// <param name="KeepInbox">How long the ids of what was heard are kept beside the log.</param>
internal sealed record FeedSettings(TimeSpan WaitAtMost, TimeSpan KeepLog, TimeSpan KeepInbox)
{
    public static FeedSettings From(IConfiguration configuration)
    {
        var section = configuration.GetSection("Feed");
        return new(section.GetValue("WaitAtMost", TimeSpan.FromMinutes(1)), section.GetValue("KeepLog", TimeSpan.FromDays(400)),
            section.GetValue("KeepInbox", TimeSpan.FromDays(30)));
    }
}
