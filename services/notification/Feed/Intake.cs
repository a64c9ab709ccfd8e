using System.Threading.Channels;
using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Takes in what is heard: all events that wait at the same moment are stored, and get their place in the log, in one
/// commit.
/// </summary>
internal sealed class Intake(NpgsqlDataSource database, Sequencer sequencer, Signals signals, ILogger<Intake> log) : BackgroundService
{
    /// <summary>Events under way at once: as many may share one commit.</summary>
    public const ushort Prefetch = 256;

    private const int BatchSize = 200;

    private sealed record Waiting(Heard Heard, TaskCompletionSource Stored);

    private readonly Channel<Waiting> _queue = Channel.CreateBounded<Waiting>(1024);

    /// <summary>Returns when the event is stored, or was before. Throws when it can never be stored.</summary>
    public async Task Store(HeardEvent heard, string body, CancellationToken ct)
    {
        if (heard.Missing is { } member)
            throw new InvalidOperationException($"The event has no usable '{member}'.");
        var waiting = new Waiting(new(heard, body), new(TaskCreationOptions.RunContinuationsAsynchronously));
        await _queue.Writer.WriteAsync(waiting, ct);
        await waiting.Stored.Task.WaitAsync(ct);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var batch = new List<Waiting>(BatchSize);
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                batch.Clear();
                while (batch.Count < BatchSize && _queue.Reader.TryRead(out var waiting))
                    batch.Add(waiting);
                await StoreAll(batch, intoLog: true, stoppingToken);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
        finally
        {
            // not stored, not acknowledged: the broker delivers them again
            _queue.Writer.TryComplete();
            while (_queue.Reader.TryRead(out var waiting))
                waiting.Stored.TrySetCanceled(CancellationToken.None);
        }
    }

    private async Task StoreAll(IReadOnlyList<Waiting> batch, bool intoLog, CancellationToken ct)
    {
        var heard = batch.Select(w => w.Heard).ToArray();
        for (var tries = 1; !ct.IsCancellationRequested; tries++)
        {
            try
            {
                await (intoLog ? sequencer.Take(heard, ct) : Keep(heard, ct));
                foreach (var waiting in batch)
                    waiting.Stored.TrySetResult();
                return;
            }
            catch (Exception) when (intoLog && !ct.IsCancellationRequested)
            {
                // whatever keeps the log from growing: what was heard is stored, and the sequencer says what is wrong
                (intoLog, tries) = (false, 0);
            }
            catch (Exception e) when (IsOutage(e))
            {
                // the messages stay unacknowledged and safe with the broker until the database is back
                if (tries is 1 or 10 || tries % 100 == 0)
                    log.LogWarning("Events wait for the database ({Tries} tries): {Reason}", tries, e.GetType().Name);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2000, 100 * tries)), ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                // one of them does not fit: it must not take the others along to the error queue
                if (batch.Count > 1)
                    foreach (var waiting in batch)
                        await StoreAll([waiting], intoLog: false, ct);
                else
                    batch[0].Stored.TrySetException(new InvalidOperationException(
                        $"The event cannot be stored: {e.GetType().Name} {(e as PostgresException)?.SqlState}"));
                return;
            }
        }
        foreach (var waiting in batch)
            waiting.Stored.TrySetCanceled(ct);
    }

    private static bool IsOutage(Exception e) => e switch
    {
        PostgresException p => p.IsTransient || p.SqlState[..2] is "57" or "53" or "08",
        NpgsqlException or TimeoutException => true,
        _ => false,
    };

    // its place in the log is for the sequencer to give later
    private async Task Keep(IReadOnlyList<Heard> batch, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition(Arrivals.Store, Arrivals.Parameters(batch), cancellationToken: ct));
        signals.Arrived.Wake();
    }
}
