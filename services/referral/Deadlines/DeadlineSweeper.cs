using Dapper;
using MassTransit;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Referrals;
using ReferralService.Referrals.Booking;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.Triage;
using ReferralService.Workflow;

namespace ReferralService.Deadlines;

/// <summary>
/// Fires what is due: at least once, with effect exactly once, because it moves through the same guarded write as
/// everybody else. One instance sweeps at a time; when it dies the next takes over at once.
/// </summary>
internal sealed class DeadlineSweeper(
    NpgsqlDataSource database, ReferralStore store, MoveRunner runner, TimeProvider clock, ILogger<DeadlineSweeper> log) : BackgroundService
{
    private const int BatchSize = 400;
    private const int AtOnce = 6;
    private const long Lock = 0x5EFE_44A2;
    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(500);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                while (await Sweep(stoppingToken) == BatchSize)
                {
                }
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("The sweep waits: {Fault}", e.GetType().Name);
            }
        }
    }

    /// <summary>Fires up to a batch of due timers and says how many referrals it looked at.</summary>
    public async Task<int> Sweep(CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (!await connection.ExecuteScalarAsync<bool>("select pg_try_advisory_xact_lock(@Lock)", new { Lock }, transaction))
            return 0;
        var due = (await connection.QueryAsync<Guid>("""
            select id from referral where next_deadline_at <= @now order by next_deadline_at limit @BatchSize
            """, new { now = clock.GetUtcNow(), BatchSize }, transaction)).AsList();
        // each is a write of its own: a few at a time keep a burst of deadlines from queueing behind one another
        await Parallel.ForEachAsync(due, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = ct }, async (id, _) => await Fire(id));
        return due.Count;
    }

    private async Task Fire(Guid id)
    {
        for (var attempt = 0; attempt < 5; attempt++)
        {
            if (await store.Find(id.ToString()) is not { } found)
                return;
            var (referral, now) = (found.Referral, clock.GetUtcNow());
            if (Timers.Running(referral).Where(t => t.DueAt <= now).MinBy(t => t.DueAt) is not { } due)
                return;
            var alliance = runner.Alliance;
            var timer = Timers.LastDue(referral, due, now, alliance);
            var saved = Timers.StepOf(referral, timer, alliance) switch
            {
                { Rung: Rung.Acts } => await Act(found, timer),
                { } step => await Tell(found, timer, step),
                null => Saved.Done,
            };
            // somebody moved it in between, or another timer of it is due as well: look again
            if (saved != Saved.LostRace && Timers.Running(referral).TrueForAll(t => t.DueAt is null || t.DueAt > now))
                return;
        }
    }

    private Task<Saved> Tell((Referral Referral, byte[]? Key) found, RunningTimer timer, Step step) =>
        Raise(found, m => m.DeadlineReached, new DeadlineReached(FactsOf(timer, step.To), step.Rung switch
        {
            Rung.Warning => ReferralEvents.DeadlineWarning,
            Rung.Missed => ReferralEvents.DeadlineMissed,
            Rung.FollowUpOverdue => ReferralEvents.FollowUpOverdue,
            _ => ReferralEvents.Escalated,
        }), timer);

    private Task<Saved> Act((Referral Referral, byte[]? Key) found, RunningTimer timer) => timer.Timer switch
    {
        "Claim" => Raise(found, m => m.Release, new ReleaseReferral(null, null), timer),
        "Triage" or "Information" => Raise(found, m => m.Expire, new ExpireReferral(FactsOf(timer)), timer),
        "Absence" or "Arrival" => Raise(found, m => m.MissAppointment, new RecordNoShow("UNKNOWN", null), timer),
        "NoShow" => Raise(found, m => m.Close, new CloseReferral("NO_SHOW", null, null), timer),
        "BedHold" => Raise(found, m => m.CancelBooking, new CancelBooking("OTHER", "bed held until now"), timer),
        "CancellationConfirm" => Raise(found, m => m.ConfirmCancellation, new ConfirmCancellation(), timer),
        _ => Tell(found, timer, Escalation),
    };

    private async Task<Saved> Raise<T>((Referral Referral, byte[]? Key) found, Func<ReferralStateMachine, Event<Move<T>>> on, T command, RunningTimer timer)
        where T : class
    {
        var (referral, key) = found;
        var @event = on(runner.Machine);
        var move = runner.Begin(@event, command, Actor.System with { Institution = referral.Receiver });
        // the rung counts as taken in the same write as what it causes
        Timers.Climb(referral, timer, move.Alliance);
        var ran = await runner.Run(referral, key, @event, move, null, [], _ => new(null, null, Purpose: "OPERATIONS"));
        if (ran.Refusal is null)
            return ran.Saved;
        // a rule stands against what the timer would do: people are told instead, and it does not fire again
        log.LogWarning("Timer {Timer} of {ReferralNo} could not act: {Code}", timer.Timer, referral.ReferralNo, ran.Refusal.Type.Code);
        return typeof(T) == typeof(DeadlineReached) ? Saved.Done : await Tell((await store.Find(referral.Id.ToString()))!.Value, timer, Escalation);
    }

    private static readonly Step Escalation = new(TimeSpan.Zero, Rung.Escalated, ["BothSides"]);

    private static DeadlineFacts FactsOf(RunningTimer timer, IReadOnlyList<string>? to = null) =>
        new(timer.Timer, timer.DueAt!.Value, timer.Level + 1, to is { Count: > 0 } ? to : null);
}
