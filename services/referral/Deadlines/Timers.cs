using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Referrals;
using static Referrals.Contracts.ReferralState;

namespace ReferralService.Deadlines;

/// <summary>What happens when a rung of a ladder is reached.</summary>
internal enum Rung
{
    Warning,
    Missed,
    Escalated,
    FollowUpOverdue,
    /// <summary>The timer itself moves the referral: see <see cref="DeadlineSweeper"/>.</summary>
    Acts,
}

/// <summary>One timer of the table: when it runs, from when it counts, and its ladder.</summary>
/// <param name="Anchor">The moment it counts from; another moment starts it anew, at its first rung.</param>
/// <param name="Next">Time after the anchor and meaning of the rung with this index; null when the ladder ends.</param>
internal sealed record Timer(
    string Name, Func<Referral, bool> Runs, Func<Referral, DateTimeOffset?> Anchor, Func<Referral, int, (TimeSpan After, Rung Rung)?> Next)
{
    /// <summary>Stands still while this holds, and keeps the rungs it has passed.</summary>
    public Func<Referral, bool> Pauses { get; init; } = _ => false;

    /// <summary>How long it stood still: that time does not count.</summary>
    public Func<Referral, TimeSpan> StoodStill { get; init; } = _ => TimeSpan.Zero;

    /// <summary>
    /// Rungs that are past when it starts are left out: nobody is reminded of what is over. What is typed in afterwards
    /// skips them with every timer.
    /// </summary>
    public bool SkipsThePast { get; init; }

    public RunningTimer At(Referral referral, DateTimeOffset anchor, int level) => new(Name, anchor, level,
        Pauses(referral) || Next(referral, level) is not { } rung ? null : anchor + StoodStill(referral) + rung.After);

    public RunningTimer Start(Referral referral, DateTimeOffset anchor, DateTimeOffset now)
    {
        var level = 0;
        while ((SkipsThePast || referral.Channel == Channel.RETRO_ENTRY) && Next(referral, level) is { } rung && anchor + rung.After <= now)
            level++;
        return At(referral, anchor, level);
    }
}

/// <summary>A timer that runs for a referral, with the rungs it has passed.</summary>
internal sealed record RunningTimer(string Timer, DateTimeOffset Anchor, int Level, DateTimeOffset? DueAt);

/// <summary>
/// Every timer of the lifecycle. Timers are bound to states: <see cref="Restart"/> is called after each move, keeps
/// what still runs and stops the rest.
/// </summary>
internal static class Timers
{
    // above the list: it is made of these
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1), Hour = TimeSpan.FromHours(1), Day = TimeSpan.FromDays(1);

    public static readonly IReadOnlyList<Timer> All =
    [
        new("Intake", r => r.At(Draft) && r.Channel is Channel.APP or Channel.MINI_PROGRAM, r => r.DraftedAt, Ladder(_ => [(Day, Rung.Missed)], Day)),
        new("InternalReview", r => r.At(InternalReview), r => r.StateSince, Ladder(r => [(Hours(r, 4, 1, 1), Rung.Missed)], Hour * 4)),
        new("Triage", r => r.IsUp && r.At(Submitted, InTriage, InformationRequested), r => r.LegSubmittedAt, Triage)
            { Pauses = Asked, StoodStill = r => r.TriagePaused },
        new("Turnaround", r => Booking(r) && r.ScheduledAt is null && !r.IsEmergency && r.At(Submitted, InTriage, InformationRequested, Accepted),
            r => r.SubmittedAt, Ladder(_ => [(Hour * 4, Rung.Missed)])),
        new("Information", r => r.At(InformationRequested), r => r.StateSince,
            Ladder(r => r.IsUp && !r.IsEmergency && !r.External
                ? [(Hours(r, 48, 12, 0.5), Rung.Missed), (Day * 7, Rung.Acts)]
                : [(Hours(r, 48, 12, 0.5), Rung.Missed)], Day)),
        new("Scheduling", r => Booking(r) && !r.IsEmergency && r.At(Accepted), r => r.StateSince,
            Ladder(r => [(Hour * 2, Rung.Warning), (Hours(r, 24, 4, 4), Rung.Missed)])),
        new("Capacity", r => r.At(Waitlisted) && !r.IsEmergency, r => r.StateSince, Ladder(r => [(Hours(r, 72, 24, 24), Rung.Missed)], Day)),
        new("Reminder", r => r.At(Scheduled), r => r.BookingStartsAt, Ladder(_ => [(-Day, Rung.Warning), (-2 * Hour, Rung.Warning)]))
            { SkipsThePast = true },
        new("Absence", r => r.At(Scheduled) && !r.IsEmergency && !InBed(r), r => r.BookingEndsAt, Ladder(_ => [(Minute * 30, Rung.Acts)])),
        new("NoShow", r => r.At(NoShow) && !r.IsEmergency, r => r.StateSince, Ladder(_ => [(Day * 7, Rung.Acts)])),
        // who left without a date is missed a day later
        new("Arrival", r => r.At(InTransit), r => r.ExpectedArrival ?? r.DispatchedAt + Day,
            Ladder(r => r.IsEmergency ? [(Minute * 15, Rung.Missed)] : [(Minute * 30, Rung.Acts)], Minute * 15)),
        new("BedHold", r => r.At(Scheduled) && InBed(r), r => Later(r.ExpectedArrival, r.BookingStartsAt), Ladder(_ => [(Hour * 48, Rung.Acts)])),
        // a reading is treated where it was accepted: nobody arrives
        new("Treatment", r => r.IsUp && (r.At(Arrived, InTreatment) || !Booking(r) && r.At(Accepted)), r => r.ArrivedAt ?? r.AcceptedAt,
            Ladder(_ => [(Hour * 36, Rung.Warning), (Hour * 48, Rung.Missed)], Day)),
        new("Return", r => r.At(Treated) && r.RehabEligible == true && r.LiveChildId is null, r => r.ReturnSince,
            Ladder(_ => [(Day, Rung.Missed)], Day)),
        new("DownAcknowledge", r => !r.IsUp && r.At(Submitted, InTriage, InformationRequested), r => r.LegSubmittedAt, Ladder(_ => [(Day, Rung.Missed)], Day))
            { Pauses = Asked, StoodStill = r => r.TriagePaused },
        new("Discharge", r => !r.IsUp && r.At(Accepted, Waitlisted, Scheduled), r => r.ExpectedArrival, Ladder(_ => [(Day, Rung.Missed)], Day)),
        new("FirstFollowUp", r => !r.IsUp && r.At(Arrived), r => r.ArrivedAt, Ladder(_ => [(Day * 7, Rung.FollowUpOverdue)], Day * 2)),
        new("FollowUpDue", r => r.At(FollowUp) && r.NextFollowUpOn is not null, r => ChinaTime.EndOf(r.NextFollowUpOn!.Value),
            Ladder(_ => [(TimeSpan.Zero, Rung.FollowUpOverdue)], Day * 2)),
        new("GreenChannel", r => r is { IsEmergency: true, SubmittedAt: not null, AcknowledgedAt: null, ArrivedAt: null }, r => r.LegSubmittedAt,
             Ladder(_ => [(Minute * 15, Rung.Missed), (Hour * 2, Rung.Escalated), (Hour * 4, Rung.Escalated)], Hour * 2)),
        new("Consent", r => r.IsEmergency && r.ConsentAt is null && r.SubmittedAt is not null && !r.IsFinal, r => r.SubmittedAt,
            Ladder(_ => [(Day, Rung.Missed)], Day)),
        new("CancellationConfirm", r => r.At(CancellationRequested), r => r.StateSince,
            Ladder(r => r.IsEmergency || r.CameFrom == nameof(InTransit) ? [(Day, Rung.Missed)] : [(Day, Rung.Acts)], Day)),
        new("Claim", r => r.At(InTriage) && !r.Assigned && r.ClaimedUntil is not null, r => r.ClaimedUntil, Ladder(_ => [(TimeSpan.Zero, Rung.Acts)])),
    ];

    private static readonly Dictionary<string, Timer> ByName = All.ToDictionary(t => t.Name);

    /// <summary>Starts, keeps and stops timers after a move, and notes the earliest deadline on the row.</summary>
    public static void Restart(Referral referral, DateTimeOffset now)
    {
        if (referral.IsFinal)
        {
            Set(referral, []);
            return;
        }
        var before = Running(referral);
        var after = new List<RunningTimer>(4);
        foreach (var timer in All)
        {
            if (!timer.Runs(referral) || timer.Anchor(referral) is not { } moment)
                continue;
            var anchor = AsStored(moment);
            var known = before.Find(t => t.Timer == timer.Name && t.Anchor == anchor);
            after.Add(known is null ? timer.Start(referral, anchor, now) : timer.At(referral, anchor, known.Level));
        }
        Set(referral, after);
    }

    /// <summary>The timer has fired: its next rung, if there is one.</summary>
    public static void Climb(Referral referral, RunningTimer fired)
    {
        var running = Running(referral);
        var i = running.FindIndex(t => t.Timer == fired.Timer);
        if (i >= 0)
            running[i] = ByName[fired.Timer].At(referral, fired.Anchor, fired.Level + 1);
        Set(referral, running);
    }

    /// <summary>Of urges that are all due only the last is worth telling: nobody needs ten of them after a night without power.</summary>
    public static RunningTimer LastDue(Referral referral, RunningTimer timer, DateTimeOffset now)
    {
        while (RungOf(referral, timer) == Rung.Escalated
            && ByName[timer.Timer].At(referral, timer.Anchor, timer.Level + 1) is { DueAt: not null } next
            && next.DueAt <= now && RungOf(referral, next) == Rung.Escalated)
            timer = next;
        return timer;
    }

    /// <summary>What the rung that is due now means.</summary>
    public static Rung? RungOf(Referral referral, RunningTimer running) =>
        ByName[running.Timer].Next(referral, running.Level)?.Rung;

    public static List<RunningTimer> Running(Referral referral) =>
        referral.Timers.Length <= 2 ? [] : JsonSerializer.Deserialize<List<RunningTimer>>(referral.Timers) ?? [];

    private static void Set(Referral referral, List<RunningTimer> running)
    {
        referral.Timers = running.Count == 0 ? "[]" : JsonSerializer.Serialize(running);
        var next = running.Where(t => t.DueAt is not null).MinBy(t => t.DueAt);
        referral.NextDeadline = next?.Timer;
        referral.NextDeadlineAt = next?.DueAt;
    }

    // target 2 h; then warn, urge every two hours, and expire, but never an emergency and never a target without account
    private static (TimeSpan, Rung)? Triage(Referral r, int level)
    {
        if (r.IsEmergency)
            return level == 0 ? (Minute * 15, Rung.Missed) : (Minute * 15 + Hour * 2 * level, Rung.Escalated);
        var (missed, expires) = r.Priority == Priority.Urgent ? (Hour * 2, Hour * 24) : (Hour * 24, Hour * 48);
        if (level == 0 && missed > Hour * 2)
            return (Hour * 2, Rung.Warning);
        var rung = missed > Hour * 2 ? level - 1 : level;
        var after = missed + Hour * 2 * rung;
        if (after >= expires && !r.External)
            return rung == (expires - missed) / (Hour * 2) ? (expires, Rung.Acts) : null;
        return (after, rung == 0 ? Rung.Missed : Rung.Escalated);
    }

    /// <summary>Fixed rungs, then one more escalation each <paramref name="urge"/>.</summary>
    private static Func<Referral, int, (TimeSpan, Rung)?> Ladder(Func<Referral, (TimeSpan After, Rung Rung)[]> rungs, TimeSpan? urge = null) =>
        (referral, level) =>
        {
            var fixedRungs = rungs(referral);
            if (level < fixedRungs.Length)
                return fixedRungs[level];
            return urge is { } every && fixedRungs[^1].Rung != Rung.Acts
                ? (fixedRungs[^1].After + every * (level - fixedRungs.Length + 1), Rung.Escalated)
                : null;
        };

    private static TimeSpan Hours(Referral r, double routine, double urgent, double emergency) =>
        TimeSpan.FromHours(r.Priority switch { Priority.Routine => routine, Priority.Urgent => urgent, Priority.Emergency => emergency });

    // PostgreSQL keeps microseconds: the anchor is the same when the row is read again, or the timer would start anew
    private static DateTimeOffset AsStored(DateTimeOffset time) => time.AddTicks(-(time.Ticks % TimeSpan.TicksPerMicrosecond));

    private static bool Asked(Referral r) => r.At(InformationRequested);

    private static bool Booking(Referral r) => r.Kind is not (ReferralKind.DiagnosticReading or ReferralKind.Advice);

    private static bool InBed(Referral r) => r.BookingResource is "Bed" or "Ward";

    private static DateTimeOffset? Later(DateTimeOffset? a, DateTimeOffset? b) => a is null || b > a ? b : a;
}
