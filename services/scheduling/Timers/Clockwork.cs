using Npgsql;

namespace SchedulingService.Timers;

/// <summary>Something that is looked at again and again. It says how much it did; as much as it could at once: again at once.</summary>
/// <param name="Every">Pause between two looks.</param>
/// <param name="Look">One look; true when there may be more to do.</param>
internal sealed record Round(string Name, TimeSpan Every, Func<CancellationToken, Task<bool>> Look);

/// <summary>
/// Goes the rounds, each at its own pace. Any number of instances may do so: what a round does is safe against another
/// one doing the same. A round that fails is tried again; it stops no other.
/// </summary>
internal sealed class Clockwork(IEnumerable<Round> rounds, ILogger<Clockwork> log) : BackgroundService
{
    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll(rounds.Select(round => Go(round, stoppingToken)));

    private async Task Go(Round round, CancellationToken ct)
    {
        var failures = 0;
        while (!ct.IsCancellationRequested)
        {
            try
            {
                while (await round.Look(ct))
                {
                }
                failures = 0;
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("Round {Round} failed ({Failures} times): {Reason} {SqlState} {Constraint}",
                        round.Name, failures, e.GetType().Name, (e as PostgresException)?.SqlState, (e as PostgresException)?.ConstraintName);
            }
            await Task.Delay(round.Every, ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
