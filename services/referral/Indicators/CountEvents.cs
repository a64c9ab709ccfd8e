using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Referrals.FollowUps;
using static ReferralService.Indicators.Tally;

namespace ReferralService.Indicators;

/// <summary>
/// The same figures from the published events and nothing else: a pure fold, for whoever wants to check ours. Events
/// may come repeated and in any order; the directory says who was in an alliance, and where.
/// </summary>
internal sealed class CountEvents(AllianceSnapshot alliance, IndicatorSettings settings)
{
    private readonly Dictionary<Guid, SortedList<long, Heard>> _referrals = [];

    private sealed record Heard(string Name, DateTimeOffset Time, ReferralFacts Facts);

    /// <summary>Adds one event: a CloudEvent as it was published.</summary>
    public void Hear(string cloudEvent)
    {
        var e = JsonSerializer.Deserialize<ReferralEvent>(cloudEvent, ServiceDefaults.Json.Lenient)!;
        if (!_referrals.TryGetValue(e.Data.Id, out var life))
            _referrals[e.Data.Id] = life = [];
        // PostgreSQL keeps microseconds; who subtracts times must subtract the same ones
        life[e.Data.Sequence] = new(ReferralEvents.NameOf(e.Type), e.Time.AddTicks(-(e.Time.Ticks % TimeSpan.TicksPerMicrosecond)), e.Data);
    }

    private sealed record Leg(string Receiver, string? Answer, long? Took, string? Reason, string? Clinician, bool TakenBack, string? TakenBackReason, int Silences);

    private sealed record Life(ReferralFacts First, ReferralFacts Last, IReadOnlyList<Heard> Events, DateOnly Day)
    {
        public IReadOnlyList<Leg> Legs { get; init; } = [];
        public bool IsEmergency => Last.Priority == Priority.Emergency;
        public bool Retro => First.Flags?.Contains("RETRO_ENTRY") == true;
        public bool Has(string name) => Events.Any(e => e.Name == name);
        public Heard? At(string name) => Events.FirstOrDefault(e => e.Name == name);
        public Heard? LastOf(string name) => Events.LastOrDefault(e => e.Name == name);
        public int Count(string name) => Events.Count(e => e.Name == name);
    }

    /// <summary>The figures of one question.</summary>
    public Counted Count(Question q)
    {
        var lives = Lives(q).ToArray();
        var keyed = lives.SelectMany(l => Keys(q, l.Day, q.Sent ? l.Last.Sender : null, q.Received ? l.Last.Receiver : null)
            .Select(key => (Key: key, Life: l))).ToLookup(p => p.Key, p => p.Life);
        var legs = lives.Where(l => !l.IsEmergency && !l.Retro).SelectMany(l => l.Legs.SelectMany(leg =>
            Keys(q, l.Day, q.Sent ? l.Last.Sender : null, q.Received ? leg.Receiver : null).Select(key => (Key: key, Leg: leg))))
            .ToLookup(p => p.Key, p => p.Leg);
        var keys = keyed.Select(g => g.Key).Union(legs.Select(g => g.Key)).Order(StringComparer.Ordinal);
        var tallies = keys.Select(key => Tally(key, [.. keyed[key]], [.. legs[key]])).ToArray();
        var missed = keyed.SelectMany(g => g.SelectMany(l => l.Events.Where(IsMiss).Select(e => (g.Key, e.Facts.Deadline!.Timer, e.Facts.Deadline.Level))))
            .GroupBy(m => m).Select(g => new MissedDeadline(g.Key.Key, g.Key.Timer, g.Key.Level, g.LongCount()))
            .OrderBy(m => m.Key, StringComparer.Ordinal).ThenBy(m => m.Timer, StringComparer.Ordinal).ThenBy(m => m.Level).ToArray();
        return new(tallies, missed);
    }

    /// <summary>Refusals and silences of every receiver and, where <paramref name="byClinician"/>, of each of its clinicians.</summary>
    public IReadOnlyList<RefusalRow> Refusals(Question q, bool byClinician) =>
        [.. Lives(q).Where(l => !l.Retro).SelectMany(l => l.Legs.Where(leg => q.Covers(leg.Receiver, l.Day)))
            .GroupBy(leg => (leg.Receiver, Clinician: byClinician ? leg.Clinician : null))
            .OrderBy(g => g.Key.Receiver, StringComparer.Ordinal).ThenBy(g => g.Key.Clinician, StringComparer.Ordinal)
            .Select(g =>
            {
                var took = g.Where(Answered).Select(l => l.Took!.Value).Order().ToArray();
                return new RefusalRow(g.Key.Receiver, g.Key.Clinician, g.LongCount(), took.Length, g.LongCount(l => l.Answer == "Declined"),
                    g.LongCount(l => l.TakenBack), g.LongCount(l => l.Answer == "Expired"), g.LongCount(l => l.Silences > 0), g.LongCount(IsSuspect),
                    Percentile(took, 0.5), Percentile(took, 0.9));
            })];

    private static bool Answered(Leg leg) => leg.Answer is "Accepted" or "Declined" or "Advised" or "Reported";

    private IEnumerable<Life> Lives(Question q) => _referrals.Values
        .Where(events => events.Values[0].Name == ReferralEvents.Submitted)
        .Select(events => new Life(events.Values[0].Facts, events.Values[^1].Facts, [.. events.Values], ChinaTime.DayOf(events.Values[0].Time)))
        .Where(l => l.Day >= q.From && l.Day <= q.To)
        .Where(l => !l.Events.Any(e => e.Name == ReferralEvents.MarkedInError || e is { Name: ReferralEvents.Closed, Facts.Reason: "ENTERED_IN_ERROR" }))
        .Select(l => l with { Legs = [.. LegsOf(l)] });

    private static IEnumerable<string> Keys(Question q, DateOnly day, string? sender, string? receiver)
    {
        var parties = new[] { sender, receiver }.OfType<string>().Where(i => q.Covers(i, day)).Distinct();
        return !parties.Any() ? [] : q.ByMember ? parties.Prepend("") : [""];
    }

    private static readonly string[] Answers =
    [
        ReferralEvents.Accepted, ReferralEvents.Acknowledged, ReferralEvents.Arrived, ReferralEvents.Declined, ReferralEvents.Advised,
        ReferralEvents.Converted, ReferralEvents.Reported, ReferralEvents.Expired, ReferralEvents.Cancelled, ReferralEvents.Closed,
    ];

    private static IEnumerable<Leg> LegsOf(Life life)
    {
        var opened = life.Events.Where(e => e.Name is ReferralEvents.Submitted or ReferralEvents.Redirected).ToArray();
        foreach (var open in opened)
        {
            var leg = life.Events.Where(e => e.Facts.Leg == open.Facts.Leg).ToArray();
            var answer = leg.FirstOrDefault(e => Answers.Contains(e.Name));
            var onward = opened.FirstOrDefault(o => o.Facts.Leg == open.Facts.Leg + 1);
            var refusal = leg.FirstOrDefault(e => e.Name == ReferralEvents.Declined);
            var accepted = answer?.Name is ReferralEvents.Accepted or ReferralEvents.Acknowledged or ReferralEvents.Arrived;
            var verdict = answer?.Name switch
            {
                null => onward is null ? null : "Redirected",
                _ when accepted => "Accepted",
                ReferralEvents.Declined => "Declined",
                ReferralEvents.Advised or ReferralEvents.Converted => "Advised",
                ReferralEvents.Reported => "Reported",
                ReferralEvents.Expired => "Expired",
                _ => "Withdrawn",
            };
            var holder = leg.LastOrDefault(e => e.Name is ReferralEvents.TriageStarted or ReferralEvents.Assigned)?.Facts.Clinician;
            yield return new(open.Facts.Receiver, verdict, Seconds(open.Time, (answer ?? onward)?.Time), (answer ?? onward)?.Facts.Reason,
                refusal?.Facts.Clinician ?? holder, accepted && refusal is not null, accepted ? refusal?.Facts.Reason : null,
                leg.Count(e => e is { Name: ReferralEvents.DeadlineMissed or ReferralEvents.Escalated,
                    Facts.Deadline.Timer: "Triage" or "DownAcknowledge" or "GreenChannel" }));
        }
    }

    private bool IsSuspect(Leg leg) => leg.Answer == "Declined" && settings.SuspectReasons.Contains(leg.Reason)
        || settings.SuspectReasons.Contains(leg.TakenBackReason) || leg.Answer == "Expired" || leg is { Answer: "Redirected", Reason: "NO_ANSWER" };

    // that nobody was reached is escalated before a deadline passes
    private static bool IsMiss(Heard e) => e is
        { Name: ReferralEvents.DeadlineMissed or ReferralEvents.Escalated or ReferralEvents.FollowUpOverdue, Facts: { Deadline: not null, Reason: not RecordFollowUp.Unreached } };

    private Tally Tally(string key, Life[] lives, Leg[] legs)
    {
        var up = lives.Where(l => l.Last.Direction == Direction.Up).ToArray();
        var down = lives.Where(l => l.Last.Direction == Direction.Down && l.Has(ReferralEvents.Arrived)).ToArray();
        var turnaround = Sorted(lives.Where(l => !l.IsEmergency && !l.Retro).Select(l => Seconds(l.Events[0].Time, l.At(ReferralEvents.Scheduled)?.Time)));
        var eligible = lives.Where(l => l.At(ReferralEvents.Treated)?.Facts.RehabEligible == true).ToArray();
        var expected = lives.Where(l => !l.IsEmergency && (l.Has(ReferralEvents.Scheduled) || l.Has(ReferralEvents.InTransit))).ToArray();
        var toBook = lives.Where(l => l.Has(ReferralEvents.Accepted) && l.Last.Kind is not (ReferralKind.DiagnosticReading or ReferralKind.Advice)).ToArray();
        var ratings = lives.Select(l => l.LastOf(ReferralEvents.Rated)?.Facts.Rating).OfType<int>().ToArray();
        var emergencies = lives.Where(l => l.IsEmergency).ToArray();
        var raised = emergencies.Where(l => !l.Retro).Select(l => (Since: (l.At(ReferralEvents.MadeEmergency) ?? l.Events[0]).Time, Life: l)).ToArray();
        var acknowledging = Sorted(raised.Select(e => Seconds(e.Since, (e.Life.At(ReferralEvents.Acknowledged) ?? e.Life.At(ReferralEvents.Arrived))?.Time)));
        var arriving = Sorted(raised.Select(e => Seconds(e.Since, e.Life.At(ReferralEvents.Arrived)?.Time)));
        var booked = up.Where(l => l.Has(ReferralEvents.Scheduled)).ToArray();
        long[] Took(string answer) => Sorted(legs.Where(l => l.Answer == answer).Select(l => l.Took));
        long Legs(string? answer) => legs.LongCount(l => l.Answer == answer);

        return new()
        {
            Key = key, Up = up.Length, Down = lives.Length - up.Length,
            Turnarounds = turnaround.Length, TurnaroundSeconds = turnaround.Sum(),
            TurnaroundMedian = Percentile(turnaround, 0.5), TurnaroundP90 = Percentile(turnaround, 0.9),
            Legs = legs.Length, Accepted = Legs("Accepted"), Declined = Legs("Declined"), Advised = Legs("Advised"), Reported = Legs("Reported"),
            Expired = Legs("Expired"), Redirected = Legs("Redirected"), Withdrawn = Legs("Withdrawn"), Unanswered = Legs(null),
            TakenBack = legs.LongCount(l => l.TakenBack),
            AcceptMedian = Percentile(Took("Accepted"), 0.5), AcceptP90 = Percentile(Took("Accepted"), 0.9),
            DeclineMedian = Percentile(Took("Declined"), 0.5), DeclineP90 = Percentile(Took("Declined"), 0.9),
            AdviseMedian = Percentile(Took("Advised"), 0.5), AdviseP90 = Percentile(Took("Advised"), 0.9),
            ExpireMedian = Percentile(Took("Expired"), 0.5),
            SuspectedRefusals = legs.LongCount(IsSuspect), SilentLegs = legs.LongCount(l => l.Silences > 0),
            Eligible = eligible.Length,
            ReturnedWithin48Hours = eligible.LongCount(l => l.At(ReferralEvents.ReturnAccepted)?.Time <= LoopStart(l)?.AddHours(48)),
            Returned = eligible.LongCount(l => l.Events.Any(e => e is { Name: ReferralEvents.Completed, Facts.Outcome: Outcome.Returned })),
            HeldOver = eligible.LongCount(l => l.Events.Any(e => e is
                { Name: ReferralEvents.DeadlineMissed or ReferralEvents.Escalated, Facts.Deadline.Timer: "Return" })),
            DownArrived = down.Length, DownFollowed = down.LongCount(l => l.Events.Any(e => e is { Name: ReferralEvents.FollowUpRecorded, Facts.FollowUp.Unreached: null })),
            InAlliance = lives.LongCount(l => alliance.ShareAnAlliance(l.Last.Sender, l.Last.Receiver, l.Day)),
            OutOfRegion = up.LongCount(l => alliance.LeavesRegion(l.Last.Sender, l.Last.Receiver, l.Day)),
            NoIndication = up.LongCount(l => l.First.Flags?.Any(f => f is "NO_INDICATION" or "IN_CATALOGUE_NO_INDICATION") == true),
            RecognisedResults = Flagged(lives, "RECOGNISED_RESULT"), RepeatedExaminations = Flagged(lives, "REPEATED_EXAMINATION"),
            Expected = expected.Length, Missed = expected.LongCount(l => l.Has(ReferralEvents.NoShow)),
            ToBook = toBook.Length, Waitlisted = toBook.LongCount(l => l.Has(ReferralEvents.Waitlisted)),
            UpFromPrimary = up.LongCount(l => alliance.Find(l.Last.Sender)?.Level is "VillageClinic" or "TownshipHealthCentre" or "CommunityHealthCentre"),
            Rated = ratings.Length, RatingSum = ratings.Sum(), RatedGood = ratings.LongCount(r => r >= 4),
            Emergencies = emergencies.Length,
            Acknowledged = acknowledging.Length, AcknowledgeMedian = Percentile(acknowledging, 0.5), AcknowledgeP90 = Percentile(acknowledging, 0.9),
            EmergencyArrived = arriving.Length, ArrivalMedian = Percentile(arriving, 0.5), ArrivalP90 = Percentile(arriving, 0.9),
            MissedDeadlines = lives.Sum(l => l.Events.LongCount(IsMiss)), LateReferrals = lives.LongCount(l => l.Events.Any(IsMiss)),
            Booked = booked.Length, BookedContracted = booked.LongCount(l => l.First.Contracted == true),
            BookedPooled = booked.LongCount(l => l.Events.Any(e => e is { Name: ReferralEvents.Scheduled or ReferralEvents.Rescheduled, Facts.FromPool: true })),
        };
    }

    // as the timer of the loop counted for this referral; what was treated before its event said so, as this service is set
    private DateTimeOffset? LoopStart(Life life) =>
        life.At((life.At(ReferralEvents.Treated)?.Facts.LoopFrom?.ToString() ?? settings.LoopFrom) == "Accepted" ? ReferralEvents.Accepted : ReferralEvents.Arrived)?.Time;

    private static long Flagged(Life[] lives, string flag) =>
        lives.Sum(l => l.Events.LongCount(e => e.Name == ReferralEvents.AttachmentAdded && e.Facts.Flags?.Contains(flag) == true));

    private static long? Seconds(DateTimeOffset from, DateTimeOffset? to) =>
        to is { } end ? Math.Max(0, (end - from).Ticks / TimeSpan.TicksPerSecond) : null;

    private static long[] Sorted(IEnumerable<long?> values) => [.. values.OfType<long>().Order()];
}
