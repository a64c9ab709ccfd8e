using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>Takes away what nobody needs any more, in steps that hold no lock for long. The log itself is kept.</summary>
internal sealed class Retention(NpgsqlDataSource database, WebhookSettings settings, TimeProvider clock, ILogger<Retention> log) : BackgroundService
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
            delete from message where id in (
                select id from message where state = 'Delivered' and ended_at < @before order by ended_at limit @BatchSize)
            """, now - settings.KeepDelivered, ct);
        await InSteps("""
            delete from message where id in (
                select m.id from endpoint e join message m on m.endpoint_id = e.id
                where e.deleted_at < @before limit @BatchSize)
            """, now, ct);
    }

    private async Task InSteps(string sql, DateTimeOffset before, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        while (await connection.ExecuteAsync(new CommandDefinition(sql, new { before, BatchSize }, cancellationToken: ct)) == BatchSize)
        {
        }
    }
}
