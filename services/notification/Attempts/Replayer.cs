using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Works off the replays in steps of one commit each: a crash repeats a step, and a step that is repeated changes
/// nothing. A step is short, so that no delivery waits behind it.
/// </summary>
internal sealed class Replayer(NpgsqlDataSource database, Signals signals, TimeProvider clock, ILogger<Replayer> log) : BackgroundService
{
    private const int BatchSize = 500;
    private static readonly TimeSpan Sweep = TimeSpan.FromSeconds(5);

    private sealed record Replay(long Id, Guid EndpointId, long After, long Until, Guid? ReferralId, long? FromSequence, bool Again);

    private sealed record Row
    {
        public long Position { get; init; }
        public Guid EventId { get; init; }
        public string Type { get; init; } = "";
        public Guid? ReferralId { get; init; }
        public bool Masked { get; init; }
        public string? Sender { get; init; }
        public string? Receiver { get; init; }
        public string? PreviousReceiver { get; init; }
        public string? Institution { get; init; }
        public string? OnBehalfOf { get; init; }
        public string? Direction { get; init; }
        public string? Priority { get; init; }
        public string? Department { get; init; }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await Step(stoppingToken))
                {
                }
                await signals.Replays.Wait(Sweep, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                log.LogWarning("Replays wait: {Reason} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(Sweep, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>One step of the oldest replay; false when there is none.</summary>
    private async Task<bool> Step(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var replay = await connection.QuerySingleOrDefaultAsync<Replay>("""
            select id, endpoint_id, after, until, referral_id, from_sequence, again
            from replay order by id limit 1 for update skip locked
            """, transaction: transaction);
        if (replay is null)
            return false;
        var subscriber = await connection.QuerySingleOrDefaultAsync<Subscriber>(
            $"select {Subscriber.Columns} from endpoint where id = @EndpointId and deleted_at is null", replay, transaction);
        var rows = subscriber is null ? [] : await Rows(connection, transaction, replay, subscriber);
        var wanted = rows.Where(r => subscriber!.Filter.Wants(
            new(r.Type, r.Direction, r.Priority, r.Department, Party.Names(r.Sender, r.Receiver, r.PreviousReceiver, r.Institution, r.OnBehalfOf)), r.Masked)).ToArray();
        if (wanted.Length > 0)
            await Send(connection, transaction, replay, wanted);
        // a referral's events are few: they go in one step
        if (rows.Count < BatchSize || replay.ReferralId is not null)
            await connection.ExecuteAsync("delete from replay where id = @Id", replay, transaction);
        else
            await connection.ExecuteAsync("update replay set after = @Position where id = @Id", new { replay.Id, rows[^1].Position }, transaction);
        await transaction.CommitAsync(ct);
        signals.Due(replay.EndpointId);
        return true;
    }

    private static async Task<List<Row>> Rows(NpgsqlConnection connection, NpgsqlTransaction transaction, Replay replay, Subscriber subscriber)
    {
        const string Columns = """
            p.position, p.masked, e.event_id, e.type, e.referral_id, e.sender, e.receiver, e.previous_receiver, e.institution, e.on_behalf_of,
            e.direction, e.priority, e.department
            """;
        return (await connection.QueryAsync<Row>(replay.ReferralId is null
            ? $"""
                select {Columns}
                from event_party p join event e using (position)
                where p.institution = @Institution and p.position > @After and p.position <= @Until
                order by p.position
                limit @BatchSize
                """
            : $"""
                select {Columns}
                from event e join event_party p on p.position = e.position and p.institution = @Institution
                where e.referral_id = @ReferralId and e.sequence >= @FromSequence and e.position <= @Until
                order by p.position
                """, new { subscriber.Institution, replay.After, replay.Until, replay.ReferralId, replay.FromSequence, BatchSize }, transaction)).AsList();
    }

    private Task Send(NpgsqlConnection connection, NpgsqlTransaction transaction, Replay replay, Row[] wanted) =>
        connection.ExecuteAsync($"""
            insert into message (id, endpoint_id, type, referral_id, position, masked, state, due_at, created_at)
            select m.id, @EndpointId, m.type, m.referral_id, m.position, m.masked, 'Waiting', @Now, @Now
            from unnest(@Ids, @Types, @Referrals, @Positions, @Masked) as m(id, type, referral_id, position, masked)
            order by m.position
            on conflict (id) do {(replay.Again
                ? "update set state = 'Waiting', ended_at = null, step = 0, due_at = excluded.due_at, hurried_at = null where message.state <> 'Waiting'"
                : "nothing")}
            """, new
        {
            replay.EndpointId,
            Now = clock.GetUtcNow(),
            Ids = wanted.Select(r => MessageId.Of(r.EventId, replay.EndpointId)).ToArray(),
            Types = wanted.Select(r => r.Type).ToArray(),
            Referrals = wanted.Select(r => r.ReferralId).ToArray(),
            Positions = wanted.Select(r => r.Position).ToArray(),
            Masked = wanted.Select(r => r.Masked).ToArray(),
        }, transaction);
}
