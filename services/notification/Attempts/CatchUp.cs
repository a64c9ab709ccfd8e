using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// After an endpoint's first success its waiting messages are due at once, in steps that block nobody. A hurried
/// attempt uses up no step of the schedule, and no message is hurried twice within ten minutes: one that fails for
/// reasons of its own is not hammered.
/// </summary>
internal sealed class CatchUp(NpgsqlDataSource database, Signals signals, TimeProvider clock, ILogger<CatchUp> log) : BackgroundService
{
    private const int BatchSize = 1000;
    private static readonly TimeSpan Sweep = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan NotAgainWithin = TimeSpan.FromMinutes(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                foreach (var endpoint in await Recovered(stoppingToken))
                    await Hurry(endpoint, stoppingToken);
                await signals.Recovered.Wait(Sweep, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                log.LogWarning("Waiting messages keep their schedule for now: {Reason} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(Sweep, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<IEnumerable<Guid>> Recovered(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        return await connection.QueryAsync<Guid>("select id from endpoint where recovered");
    }

    private async Task Hurry(Guid endpoint, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        int hurried;
        do
        {
            var now = clock.GetUtcNow();
            hurried = await connection.ExecuteAsync("""
                with waiting as (
                    select id from message
                    where endpoint_id = @endpoint and state = 'Waiting' and due_at > @now
                        and (leased_until is null or leased_until <= @now)
                        and (hurried_at is null or hurried_at <= @hurriedBefore)
                    order by due_at, ordinal
                    limit @BatchSize
                    for update skip locked)
                update message m set due_at = @now, hurried_at = @now, step = greatest(m.step - 1, 0)
                from waiting where m.id = waiting.id
                """, new { endpoint, now, hurriedBefore = now - NotAgainWithin, BatchSize });
            signals.Due(endpoint);
        } while (hurried == BatchSize && !ct.IsCancellationRequested);
        await connection.ExecuteAsync("update endpoint set recovered = false where id = @endpoint", new { endpoint });
    }
}
