using Referrals.Contracts;
using ReferralService.Alliances.Settings;

namespace ReferralService.Deadlines;

/// <summary>What a step of a ladder tells.</summary>
internal enum StepMeaning { Warning, Missed, Escalated }

/// <summary>From when a timer counts that can count from either.</summary>
internal enum TimerStart { Accepted, Arrived }

/// <summary>One step: so many minutes after the start (before it, where negative), to these.</summary>
internal sealed record TimerStep(int AfterMinutes, StepMeaning Does, string[] To);

/// <summary>
/// The ladder of a timer: steps, then urging again and again until somebody acts or, where the timer may, it acts
/// itself. For one alliance, priority, kind and profile, or for all of them where these are null.
/// </summary>
internal sealed record TimerSetting
{
    public string? Id { get; init; }
    public required string Timer { get; init; }
    public string? Alliance { get; init; }
    public Priority? Priority { get; init; }
    public ReferralKind? Kind { get; init; }
    public Profile? Profile { get; init; }
    /// <summary>Holds for timers that start from then on; one that runs keeps the ladder it started with.</summary>
    public DateTimeOffset From { get; init; }
    public IReadOnlyList<TimerStep> Steps { get; init; } = [];
    /// <summary>After the last step, every so many minutes.</summary>
    public int? UrgeEveryMinutes { get; init; }
    /// <summary>Whom the first urge reaches, the second, …; the last of them all further ones.</summary>
    public string[] UrgeTo { get; init; } = [];
    /// <summary>When the timer moves the referral itself: expires, releases, lets a booking go.</summary>
    public int? ActAfterMinutes { get; init; }
    /// <summary>Minutes count in the working time of this calendar; around the clock when absent.</summary>
    public string? Calendar { get; init; }
    public TimerStart? StartsAt { get; init; }

    /// <summary>More precise settings go before general ones: alliance, then profile, kind, priority.</summary>
    public int Precision => (Alliance is null ? 0 : 8) + (Profile is null ? 0 : 4) + (Kind is null ? 0 : 2) + (Priority is null ? 0 : 1);

    /// <summary>The rung with this number; null when the ladder has ended.</summary>
    /// <param name="mayAct">False where nothing may happen to the referral by itself: people are told instead.</param>
    public Step? Rung(int level, bool mayAct)
    {
        var steps = Steps;
        var act = mayAct ? ActAfterMinutes : null;
        if (act is null && steps.Count == 0 && ActAfterMinutes is { } wouldAct)
            steps = [new(wouldAct, StepMeaning.Missed, UrgeTo.Length > 0 ? UrgeTo[..1] : [])];
        if (level < steps.Count)
            return new(TimeSpan.FromMinutes(steps[level].AfterMinutes), Meaning(steps[level].Does), steps[level].To);
        var urge = level - steps.Count;
        var last = steps.Count > 0 ? steps[^1].AfterMinutes : 0;
        // urges that would come at the moment it acts, or later, are left out
        var urges = steps.Count == 0 || UrgeEveryMinutes is null ? 0 : act is { } end ? Math.Max(0, (end - last - 1) / UrgeEveryMinutes.Value) : int.MaxValue;
        if (urge < urges)
            return new(TimeSpan.FromMinutes(last + (double)UrgeEveryMinutes!.Value * (urge + 1)), Deadlines.Rung.Escalated,
                UrgeTo.Length == 0 ? [] : [UrgeTo[Math.Min(urge, UrgeTo.Length - 1)]]);
        return urge == urges && act is { } at ? new(TimeSpan.FromMinutes(at), Deadlines.Rung.Acts, []) : null;
    }

    private static Rung Meaning(StepMeaning does) => does switch
    {
        StepMeaning.Warning => Deadlines.Rung.Warning,
        StepMeaning.Missed => Deadlines.Rung.Missed,
        StepMeaning.Escalated => Deadlines.Rung.Escalated,
    };
}

/// <summary>One rung of a ladder as it stands for a referral.</summary>
internal sealed record Step(TimeSpan After, Rung Rung, IReadOnlyList<string> To);

/// <summary>
/// Every setting there is. What somebody has set goes before the defaults; of several the most precise one that held at
/// the moment counts.
/// </summary>
internal sealed class TimerBook
{
    public static readonly TimerBook Defaults = new([]);

    private readonly Dictionary<string, TimerSetting[]> _byTimer;

    public TimerBook(IEnumerable<TimerSetting> settings)
    {
        Own = [.. settings];
        _byTimer = Own.Concat(TimerDefaults.All).GroupBy(s => s.Timer)
            .ToDictionary(g => g.Key, g => g.OrderBy(s => s.Id is null).ThenByDescending(s => s.Precision).ThenByDescending(s => s.From).ToArray());
    }

    // their default for emergencies is a matter of minutes: a setting that does not name emergencies leaves it alone
    private static readonly HashSet<string> NamesEmergencies = [.. TimerDefaults.All.Where(s => s.Priority == Priority.Emergency).Select(s => s.Timer)];

    /// <summary>What alliances have set, in all its versions.</summary>
    public IReadOnlyList<TimerSetting> Own { get; }

    public TimerSetting Find(string timer, string? alliance, Priority priority, ReferralKind kind, Profile profile, DateTimeOffset at)
    {
        foreach (var s in _byTimer[timer])
            if (s.From <= at && (s.Alliance is null || s.Alliance == alliance) && (s.Priority == priority || s.Priority is null && !(s.Id is not null && priority == Priority.Emergency && NamesEmergencies.Contains(timer)))
                && (s.Kind is null || s.Kind == kind) && (s.Profile is null || s.Profile == profile))
                return s;
        throw new InvalidOperationException($"The timer {timer} has no default.");
    }
}
