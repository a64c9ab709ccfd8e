using System.Threading.Channels;
using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>
/// Writes what is heard, once each: all events that wait at the same moment share one statement and one commit, and
/// a repetition finds its id in the inbox.
/// </summary>
internal sealed class Intake(NpgsqlDataSource database, Signals signals, ILogger<Intake> log) : BackgroundService
{
    /// <summary>Events under way at once: as many may share one commit.</summary>
    public const ushort Prefetch = 256;

    private const int BatchSize = 200;

    private sealed record Waiting(HeardEvent Event, string Body, TaskCompletionSource Stored);

    private readonly Channel<Waiting> _queue = Channel.CreateBounded<Waiting>(1024);

    /// <summary>Returns when the event is stored, or was before. Throws when it can never be stored.</summary>
    public async Task Store(HeardEvent heard, string body, CancellationToken ct)
    {
        if (heard.Missing is { } member)
            throw new InvalidOperationException($"The event has no usable '{member}'.");
        var waiting = new Waiting(heard, body, new(TaskCreationOptions.RunContinuationsAsynchronously));
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
                await StoreAll(batch, stoppingToken);
                signals.Arrived.Wake();
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

    private async Task StoreAll(IReadOnlyList<Waiting> batch, CancellationToken ct)
    {
        for (var tries = 1; !ct.IsCancellationRequested; tries++)
        {
            try
            {
                await Insert(batch, ct);
                foreach (var waiting in batch)
                    waiting.Stored.TrySetResult();
                return;
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
                        await StoreAll([waiting], ct);
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

    private async Task Insert(IReadOnlyList<Waiting> batch, CancellationToken ct)
    {
        var heard = batch.Select(w => w.Event).ToArray();
        await using var connection = await database.OpenConnectionAsync(ct);
        await connection.ExecuteAsync(new CommandDefinition("""
            with heard as (
                -- one batch may hold the same event twice
                select distinct on (event_id) *
                from unnest(@Ids, @Types, @Subjects, @Times, @Referrals, @Sequences, @Senders, @Receivers, @Previous,
                        @Institutions, @OnBehalf, @Directions, @Priorities, @Departments, @Sensitive, @Bodies)
                    with ordinality as h(event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
                        previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, body, nr)),
            fresh as (
                insert into inbox (message_id)
                select event_id from heard
                -- the same order in every transaction: two that hold the same ids cannot lock each other out
                order by event_id
                on conflict do nothing
                returning message_id)
            insert into arrival (event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
                previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, body)
            select event_id, type, subject, occurred_at, referral_id, sequence, sender, receiver,
                previous_receiver, institution, on_behalf_of, direction, priority, department, sensitive, body
            from heard
            where event_id in (select message_id from fresh)
                -- the inbox forgets before the log does
                and not exists (select 1 from event e where e.event_id = heard.event_id)
            order by nr
            """, new
        {
            Ids = heard.Select(e => e.Id).ToArray(),
            Types = heard.Select(e => e.Type).ToArray(),
            Subjects = heard.Select(e => e.Subject).ToArray(),
            Times = heard.Select(e => e.Time.ToUniversalTime()).ToArray(),
            Referrals = heard.Select(e => e.IsOfReferral ? e.Data!.Id : null).ToArray(),
            Sequences = heard.Select(e => e.IsOfReferral ? e.Data!.Sequence : null).ToArray(),
            Senders = heard.Select(e => e.Data!.Sender).ToArray(),
            Receivers = heard.Select(e => e.Data!.Receiver).ToArray(),
            Previous = heard.Select(e => e.Data!.PreviousReceiver).ToArray(),
            Institutions = heard.Select(e => e.Data!.Institution).ToArray(),
            OnBehalf = heard.Select(e => e.Data!.OnBehalfOf).ToArray(),
            Directions = heard.Select(e => e.Data!.Direction).ToArray(),
            Priorities = heard.Select(e => e.Data!.Priority).ToArray(),
            Departments = heard.Select(e => e.Data!.Department).ToArray(),
            Sensitive = heard.Select(e => e.IsOfReferral && Masking.IsSensitive(e.Data!.Department, e.Data.PatientClass)).ToArray(),
            Bodies = batch.Select(w => w.Body).ToArray(),
        }, cancellationToken: ct));
    }
}
