using ReferralService.Alliances;

namespace ReferralService.Indicators;

/// <summary>What is counted for one institution or the whole, in whole referrals and whole seconds; every indicator is made of these.</summary>
internal sealed record Tally
{
    /// <summary>Institution it is about; empty for the whole.</summary>
    public string Key { get; init; } = "";

    public long Up { get; init; }
    public long Down { get; init; }

    public long Turnarounds { get; init; }
    public long TurnaroundSeconds { get; init; }
    public long? TurnaroundMedian { get; init; }
    public long? TurnaroundP90 { get; init; }

    public long Legs { get; init; }
    public long Accepted { get; init; }
    public long Declined { get; init; }
    public long Advised { get; init; }
    public long Reported { get; init; }
    public long Expired { get; init; }
    public long Redirected { get; init; }
    public long Withdrawn { get; init; }
    public long Unanswered { get; init; }
    public long TakenBack { get; init; }
    public long? AcceptMedian { get; init; }
    public long? AcceptP90 { get; init; }
    public long? DeclineMedian { get; init; }
    public long? DeclineP90 { get; init; }
    public long? AdviseMedian { get; init; }
    public long? AdviseP90 { get; init; }
    public long? ExpireMedian { get; init; }
    public long SuspectedRefusals { get; init; }
    public long SilentLegs { get; init; }

    public long Eligible { get; init; }
    public long ReturnedWithin48Hours { get; init; }
    public long Returned { get; init; }
    public long HeldOver { get; init; }

    public long DownArrived { get; init; }
    public long DownFollowed { get; init; }

    public long InAlliance { get; init; }
    public long OutOfRegion { get; init; }
    public long NoIndication { get; init; }
    public long RecognisedResults { get; init; }
    public long RepeatedExaminations { get; init; }

    public long Expected { get; init; }
    public long Missed { get; init; }
    public long ToBook { get; init; }
    public long Waitlisted { get; init; }
    public long UpFromPrimary { get; init; }

    public long Rated { get; init; }
    public long RatingSum { get; init; }
    public long RatedGood { get; init; }

    public long Emergencies { get; init; }
    public long Acknowledged { get; init; }
    public long? AcknowledgeMedian { get; init; }
    public long? AcknowledgeP90 { get; init; }
    public long EmergencyArrived { get; init; }
    public long? ArrivalMedian { get; init; }
    public long? ArrivalP90 { get; init; }

    public long MissedDeadlines { get; init; }
    public long LateReferrals { get; init; }

    public long Booked { get; init; }
    public long BookedContracted { get; init; }
    public long BookedPooled { get; init; }

    /// <summary>What both count, together; how long things last is no sum.</summary>
    public static Tally operator +(Tally a, Tally b) => new()
    {
        Up = a.Up + b.Up, Down = a.Down + b.Down, Turnarounds = a.Turnarounds + b.Turnarounds, TurnaroundSeconds = a.TurnaroundSeconds + b.TurnaroundSeconds,
        Legs = a.Legs + b.Legs, Accepted = a.Accepted + b.Accepted, Declined = a.Declined + b.Declined, Advised = a.Advised + b.Advised,
        Reported = a.Reported + b.Reported, Expired = a.Expired + b.Expired, Redirected = a.Redirected + b.Redirected, Withdrawn = a.Withdrawn + b.Withdrawn,
        Unanswered = a.Unanswered + b.Unanswered, TakenBack = a.TakenBack + b.TakenBack,
        SuspectedRefusals = a.SuspectedRefusals + b.SuspectedRefusals, SilentLegs = a.SilentLegs + b.SilentLegs,
        Eligible = a.Eligible + b.Eligible, ReturnedWithin48Hours = a.ReturnedWithin48Hours + b.ReturnedWithin48Hours,
        Returned = a.Returned + b.Returned, HeldOver = a.HeldOver + b.HeldOver, DownArrived = a.DownArrived + b.DownArrived, DownFollowed = a.DownFollowed + b.DownFollowed,
        InAlliance = a.InAlliance + b.InAlliance, OutOfRegion = a.OutOfRegion + b.OutOfRegion, NoIndication = a.NoIndication + b.NoIndication,
        RecognisedResults = a.RecognisedResults + b.RecognisedResults, RepeatedExaminations = a.RepeatedExaminations + b.RepeatedExaminations,
        Expected = a.Expected + b.Expected, Missed = a.Missed + b.Missed, ToBook = a.ToBook + b.ToBook, Waitlisted = a.Waitlisted + b.Waitlisted,
        UpFromPrimary = a.UpFromPrimary + b.UpFromPrimary, Rated = a.Rated + b.Rated, RatingSum = a.RatingSum + b.RatingSum, RatedGood = a.RatedGood + b.RatedGood,
        Emergencies = a.Emergencies + b.Emergencies, Acknowledged = a.Acknowledged + b.Acknowledged, EmergencyArrived = a.EmergencyArrived + b.EmergencyArrived,
        MissedDeadlines = a.MissedDeadlines + b.MissedDeadlines, LateReferrals = a.LateReferrals + b.LateReferrals,
        Booked = a.Booked + b.Booked, BookedContracted = a.BookedContracted + b.BookedContracted, BookedPooled = a.BookedPooled + b.BookedPooled,
    };

    /// <summary>The smallest value that so large a part does not exceed, as percentile_disc counts; null of nothing.</summary>
    public static long? Percentile(long[] sorted, double part) =>
        sorted.Length == 0 ? null : sorted[Math.Max(1, (int)Math.Ceiling(part * sorted.Length)) - 1];
}

/// <summary>How often a timer's level passed without anybody acting.</summary>
internal sealed record MissedDeadline(string Key, string Timer, int Level, long Count);

/// <summary>What one institution, or one of its clinicians, did with what was sent to it.</summary>
/// <param name="Clinician">Who refused, or else who held it last; null where nobody had taken it up.</param>
internal sealed record RefusalRow(
    string Institution, string? Clinician, long Legs, long Answered, long Declined, long TakenBack, long Expired, long Silent,
    long Suspected, long? AnswerMedianSeconds, long? AnswerP90Seconds);

/// <summary>Everything that one question about indicators needs, counted in one moment.</summary>
internal sealed record Counted(IReadOnlyList<Tally> Tallies, IReadOnlyList<MissedDeadline> Missed)
{
    public Tally Whole => Tallies.FirstOrDefault(t => t.Key.Length == 0) ?? new();

    /// <summary>The members that anything was counted of.</summary>
    public IEnumerable<Tally> Members => Tallies.Where(t => t.Key.Length > 0);
}

/// <summary>Which referrals a question is about: these institutions, while they were members, on these sides, on these days.</summary>
/// <param name="ByMember">Each institution is counted beside the whole.</param>
internal sealed record Question(IReadOnlyList<Membership> Institutions, bool Sent, bool Received, DateOnly From, DateOnly To, bool ByMember)
{
    /// <summary>The institution was in the scope on that day.</summary>
    public bool Covers(string institution, DateOnly day) =>
        Institutions.Any(i => i.Institution == institution && i.Since <= day && (i.Until is null || i.Until >= day));
}

/// <summary>What an alliance may decide about the figures.</summary>
internal sealed record IndicatorSettings
{
    /// <summary>From where the 48 hours of the closed loop count: <c>Arrived</c> or <c>Accepted</c>.</summary>
    public string LoopFrom { get; init; } = "Arrived";
    /// <summary>Reasons that do not justify a refusal: declining with one of them is a suspected refusal (推诿).</summary>
    public string[] SuspectReasons { get; init; } = ["OTHER"];

    public static IndicatorSettings From(IConfiguration configuration)
    {
        var section = configuration.GetSection("Indicators");
        var settings = new IndicatorSettings
        {
            LoopFrom = section["LoopFrom"] ?? "Arrived",
            SuspectReasons = section.GetSection("SuspectReasons").Get<string[]>() ?? ["OTHER"],
        };
        return settings.LoopFrom is "Arrived" or "Accepted" ? settings
            : throw new InvalidOperationException("Indicators:LoopFrom is Arrived or Accepted.");
    }
}
