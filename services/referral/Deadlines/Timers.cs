using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Alliances;
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

/// <summary>One timer of the table: when it runs, from when it counts; its ladder is data (<see cref="TimerSetting"/>).</summary>
/// <param name="Anchor">The moment it counts from; another moment starts it anew, at its first rung.</param>
internal sealed record Timer(string Name, Func<Referral, bool> Runs, Func<Referral, DateTimeOffset?> Anchor)
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

    /// <summary>False where nothing may happen to the referral by itself: people are told instead, again and again.</summary>
    public Func<Referral, bool> MayAct { get; init; } = _ => true;

    /// <summary>A step that was missed is told as follow-up-overdue.</summary>
    public bool IsFollowUp { get; init; }

    /// <summary>The anchor where a setting says from when it counts.</summary>
    public Func<Referral, TimerStart, DateTimeOffset?>? StartsAt { get; init; }

    public Step? Step(TimerSetting setting, Referral referral, int level) =>
        Name == Timers.Claim ? level == 0 ? new(TimeSpan.Zero, Rung.Acts, []) : null
        : setting.Rung(level, MayAct(referral)) is not { } step ? null
        : IsFollowUp && step.Rung == Rung.Missed ? step with { Rung = Rung.FollowUpOverdue } : step;
}

/// <summary>A timer that runs for a referral, with the rungs it has passed.</summary>
internal sealed record RunningTimer(string Timer, DateTimeOffset Anchor, int Level, DateTimeOffset? DueAt);

/// <summary>
/// Every timer of the lifecycle. Timers are bound to states: <see cref="Restart"/> is called after each move, keeps
/// what still runs and stops the rest. How long they are and whom they tell is data of the alliance.
/// </summary>
internal static class Timers
{
    /// <summary>The claim's length slides with the claimant's moves: <see cref="Referrals.Triage.ClaimReferral"/> sets its end.</summary>
    public const string Claim = "Claim";

    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    public static readonly IReadOnlyList<Timer> All =
    [
        new("Intake", r => r.At(Draft) && r.Channel is Channel.APP or Channel.MINI_PROGRAM, r => r.DraftedAt),
        new("InternalReview", r => r.At(InternalReview), r => r.StateSince),
        // never an emergency and never a target without account: they are urged for as long as it takes
        new("Triage", r => r.IsUp && r.At(Submitted, InTriage, InformationRequested), r => r.LegSubmittedAt)
            { Pauses = Asked, StoodStill = r => r.TriagePaused, MayAct = MayExpire },
        new("Turnaround", r => Booking(r) && r.ScheduledAt is null && !r.IsEmergency && r.At(Submitted, InTriage, InformationRequested, Accepted), r => r.SubmittedAt),
        new("Information", r => r.At(InformationRequested), r => r.StateSince) { MayAct = MayExpire },
        new("Scheduling", r => Booking(r) && !r.IsEmergency && r.At(Accepted), r => r.StateSince),
        new("Capacity", r => r.At(Waitlisted) && !r.IsEmergency, r => r.StateSince),
        new("Reminder", r => r.At(Scheduled), r => r.BookingStartsAt) { SkipsThePast = true },
        new("Absence", r => r.At(Scheduled) && !r.IsEmergency && !InBed(r), r => r.BookingEndsAt),
        new("NoShow", r => r.At(NoShow) && !r.IsEmergency, r => r.StateSince),
        // who left without a date is missed a day later
        new("Arrival", r => r.At(InTransit), r => r.ExpectedArrival ?? r.DispatchedAt + Day) { MayAct = r => !r.IsEmergency },
        new("BedHold", r => r.At(Scheduled) && InBed(r), r => Later(r.ExpectedArrival, r.BookingStartsAt)),
        // a reading is treated where it was accepted: nobody arrives
        new("Treatment", r => r.IsUp && (r.At(Arrived, InTreatment) || !Booking(r) && r.At(Accepted)), r => r.ArrivedAt ?? r.AcceptedAt)
            { StartsAt = (r, start) => start == TimerStart.Accepted ? r.AcceptedAt ?? r.ArrivedAt : r.ArrivedAt ?? r.AcceptedAt },
        new("Return", r => r.At(Treated) && r.RehabEligible == true && r.LiveChildId is null, r => r.ReturnSince),
        new("DownAcknowledge", r => !r.IsUp && r.At(Submitted, InTriage, InformationRequested), r => r.LegSubmittedAt)
            { Pauses = Asked, StoodStill = r => r.TriagePaused },
        new("Discharge", r => !r.IsUp && r.At(Accepted, Waitlisted, Scheduled), r => r.ExpectedArrival),
        new("FirstFollowUp", r => !r.IsUp && r.At(Arrived), r => r.ArrivedAt) { IsFollowUp = true },
        new("FollowUpDue", r => r.At(FollowUp) && r.NextFollowUpOn is not null, r => ChinaTime.EndOf(r.NextFollowUpOn!.Value)) { IsFollowUp = true },
        new("GreenChannel", r => r is { IsEmergency: true, SubmittedAt: not null, AcknowledgedAt: null, ArrivedAt: null }, r => r.LegSubmittedAt),
        new("Consent", r => r.IsEmergency && r.ConsentAt is null && r.SubmittedAt is not null && !r.IsFinal, r => r.SubmittedAt),
        new("CancellationConfirm", r => r.At(CancellationRequested), r => r.StateSince)
            { MayAct = r => !r.IsEmergency && r.CameFrom != nameof(InTransit) },
        new(Claim, r => r.At(InTriage) && !r.Assigned && r.ClaimedUntil is not null, r => r.ClaimedUntil),
    ];

    private static readonly Dictionary<string, Timer> ByName = All.ToDictionary(t => t.Name);

    /// <summary>Starts, keeps and stops timers after a move, and notes the earliest deadline on the row.</summary>
    public static void Restart(Referral referral, DateTimeOffset now, AllianceSnapshot alliance)
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
            var setting = alliance.TimerFor(timer.Name, referral, moment);
            if (timer.StartsAt is { } startsAt && setting.StartsAt is { } start)
                moment = startsAt(referral, start) ?? moment;
            var anchor = AsStored(moment);
            var level = before.Find(t => t.Timer == timer.Name && t.Anchor == anchor)?.Level ?? FirstLevel(timer, setting, referral, anchor, now, alliance);
            after.Add(At(timer, setting, referral, anchor, level, alliance));
        }
        Set(referral, after);
    }

    /// <summary>From where the timer of the closed loop counts for this referral.</summary>
    public static LoopStart LoopFrom(Referral referral, AllianceSnapshot alliance) =>
        (referral.ArrivedAt ?? referral.AcceptedAt) is { } moment && alliance.TimerFor("Treatment", referral, moment).StartsAt == TimerStart.Accepted
            ? LoopStart.Accepted : LoopStart.Arrived;

    /// <summary>When a timer that runs is due next, or was due last where its ladder has ended; null when it does not run.</summary>
    public static DateTimeOffset? DueOf(Referral referral, string timer, AllianceSnapshot alliance) =>
        Running(referral).Find(t => t.Timer == timer) is not { } running ? null
        : running.DueAt ?? At(ByName[timer], Setting(referral, running, alliance), referral, running.Anchor, Math.Max(0, running.Level - 1), alliance).DueAt;

    /// <summary>The timer has fired: its next rung, if there is one.</summary>
    public static void Climb(Referral referral, RunningTimer fired, AllianceSnapshot alliance)
    {
        var running = Running(referral);
        var i = running.FindIndex(t => t.Timer == fired.Timer);
        if (i >= 0)
            running[i] = Next(referral, fired, alliance);
        Set(referral, running);
    }

    /// <summary>Of urges that are all due only the last is worth telling: nobody needs ten of them after a night without power.</summary>
    public static RunningTimer LastDue(Referral referral, RunningTimer timer, DateTimeOffset now, AllianceSnapshot alliance)
    {
        while (StepOf(referral, timer, alliance)?.Rung == Rung.Escalated
            && Next(referral, timer, alliance) is { DueAt: not null } next
            && next.DueAt <= now && StepOf(referral, next, alliance)?.Rung == Rung.Escalated)
            timer = next;
        return timer;
    }

    /// <summary>What the rung that is due now means, and whom it is told.</summary>
    public static Step? StepOf(Referral referral, RunningTimer running, AllianceSnapshot alliance) =>
        ByName[running.Timer].Step(Setting(referral, running, alliance), referral, running.Level);

    private static RunningTimer Next(Referral referral, RunningTimer running, AllianceSnapshot alliance) =>
        At(ByName[running.Timer], Setting(referral, running, alliance), referral, running.Anchor, running.Level + 1, alliance);

    // the setting that held when the timer began to count, whatever was published since
    private static TimerSetting Setting(Referral referral, RunningTimer running, AllianceSnapshot alliance) =>
        alliance.TimerFor(running.Timer, referral, ByName[running.Timer].Anchor(referral) ?? running.Anchor);

    private static RunningTimer At(Timer timer, TimerSetting setting, Referral referral, DateTimeOffset anchor, int level, AllianceSnapshot alliance) =>
        new(timer.Name, anchor, level, timer.Pauses(referral) || timer.Step(setting, referral, level) is not { } step ? null
            : Due(anchor + timer.StoodStill(referral), step.After, setting, alliance));

    private static DateTimeOffset Due(DateTimeOffset from, TimeSpan after, TimerSetting setting, AllianceSnapshot alliance) =>
        setting.Calendar is { } calendar && alliance.Calendars.TryGetValue(calendar, out var hours) ? hours.Add(from, after) : from + after;

    private static int FirstLevel(Timer timer, TimerSetting setting, Referral referral, DateTimeOffset anchor, DateTimeOffset now, AllianceSnapshot alliance)
    {
        var level = 0;
        while ((timer.SkipsThePast || referral.Channel == Channel.RETRO_ENTRY) && timer.Step(setting, referral, level) is { } step
            && Due(anchor, step.After, setting, alliance) <= now)
            level++;
        return level;
    }

    public static List<RunningTimer> Running(Referral referral) =>
        referral.Timers.Length <= 2 ? [] : JsonSerializer.Deserialize<List<RunningTimer>>(referral.Timers) ?? [];

    private static void Set(Referral referral, List<RunningTimer> running)
    {
        referral.Timers = running.Count == 0 ? "[]" : JsonSerializer.Serialize(running);
        var next = running.Where(t => t.DueAt is not null).MinBy(t => t.DueAt);
        referral.NextDeadline = next?.Timer;
        referral.NextDeadlineAt = next?.DueAt;
    }

    // PostgreSQL keeps microseconds: the anchor is the same when the row is read again, or the timer would start anew
    private static DateTimeOffset AsStored(DateTimeOffset time) => time.AddTicks(-(time.Ticks % TimeSpan.TicksPerMicrosecond));

    private static bool MayExpire(Referral r) => r is { IsUp: true, IsEmergency: false, External: false };

    private static bool Asked(Referral r) => r.At(InformationRequested);

    private static bool Booking(Referral r) => r.Kind is not (ReferralKind.DiagnosticReading or ReferralKind.Advice);

    private static bool InBed(Referral r) => r.BookingResource is "Bed" or "Ward";

    private static DateTimeOffset? Later(DateTimeOffset? a, DateTimeOffset? b) => a is null || b > a ? b : a;
}
