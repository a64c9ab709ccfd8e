using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>Takes away what nobody needs any more, in steps that hold no lock for long. The log is kept for its time.</summary>
internal sealed class Retention(NpgsqlDataSource database, WebhookSettings settings, FeedSettings feed, TimeProvider clock, ILogger<Retention> log) : BackgroundService
{
    private const int BatchSize = 2000;
    private static readonly TimeSpan Pause = TimeSpan.FromMinutes(10);
    // a repetition may come a day later: twice that
    private static readonly TimeSpan KeepAnswers = TimeSpan.FromHours(48);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Tidy(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                log.LogWarning("Tidying up waits: {Reason}", e.GetType().Name);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            await Task.Delay(Pause, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task Tidy(CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        await InSteps("""
            delete from idempotency_key where ctid in (
                select ctid from idempotency_key where created_at < @before limit @BatchSize)
            """, now - KeepAnswers, ct);
        await InSteps("""
            delete from endpoint_secret where id in (
                select id from endpoint_secret where expires_at < @before limit @BatchSize)
            """, now, ct);
        await InSteps("""
            delete from message where id in (
                select id from message where state = 'Delivered' and ended_at < @before order by ended_at limit @BatchSize)
            """, now - settings.KeepDelivered, ct);
        await InSteps("""
            delete from message where id in (
                select id from message where state = 'Exhausted' and ended_at < @before order by ended_at limit @BatchSize)
            """, now - feed.KeepLog, ct);
        await InSteps("""
            delete from inbox where message_id in (
                select message_id from inbox where heard_at < @before order by heard_at limit @BatchSize)
            """, now - feed.KeepInbox, ct);
        await PruneLog(now - feed.KeepLog, ct);
        await InSteps("""
            delete from message where id in (
                select m.id from endpoint e join message m on m.endpoint_id = e.id
                where e.deleted_at < @before limit @BatchSize)
            """, now, ct);
    }

    /// <summary>Takes the oldest events away with what hangs on them, and notes from where on the log is whole.</summary>
    private async Task PruneLog(DateTimeOffset before, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        var last = await EventLog.LastBefore(connection, before);
        if (await connection.ExecuteAsync("update log_start set pruned = @last where pruned < @last", new { last }) == 0)
            return;
        // what was paused since then is not sent any more; whoever reads on from before is told (410)
        foreach (var endpoint in await connection.QueryAsync<Guid>("select id from endpoint"))
            await connection.ExecuteAsync("delete from message where endpoint_id = @endpoint and state = 'Waiting' and position <= @last", new { endpoint, last });
        foreach (var institution in await connection.QueryAsync<string>("""
            -- the institutions one by one out of the index, without reading their events
            with recursive one as (
                (select institution from event_party order by institution limit 1)
                union all
                select (select p.institution from event_party p where p.institution > one.institution order by p.institution limit 1)
                from one where one.institution is not null)
            select institution from one where institution is not null
            """))
            await Steps(connection, """
                delete from event_party where (institution, position) in (
                    select institution, position from event_party where institution = @institution and position <= @last
                    order by position limit @BatchSize)
                """, new { institution, last, BatchSize }, ct);
        await Steps(connection, """
            with gone as (
                delete from event where position in (
                    select position from event where position <= @last order by position limit @BatchSize)
                returning position, referral_id),
            forgotten as (
                delete from progress p using gone
                where p.referral_id = gone.referral_id
                    and not exists (select 1 from event e where e.referral_id = p.referral_id and e.position > @last))
            select count(*) from gone
            """, new { last, BatchSize }, ct, counts: true);
    }

    private static async Task Steps(NpgsqlConnection connection, string sql, object parameters, CancellationToken ct, bool counts = false)
    {
        var command = new CommandDefinition(sql, parameters, cancellationToken: ct);
        while ((counts ? await connection.ExecuteScalarAsync<int>(command) : await connection.ExecuteAsync(command)) == BatchSize)
        {
        }
    }

    private async Task InSteps(string sql, DateTimeOffset before, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        while (await connection.ExecuteAsync(new CommandDefinition(sql, new { before, BatchSize }, cancellationToken: ct)) == BatchSize)
        {
        }
    }
}
