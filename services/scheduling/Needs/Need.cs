using Referrals.Contracts;
using SchedulingService.Waiting;

namespace SchedulingService.Needs;

/// <summary>
/// What scheduling has heard of one referral. Hearing the same events in any order, any of them repeatedly, leads to
/// the same need: each group of members moves forward by sequence only.
/// </summary>
internal sealed record Need
{
    public required Guid ReferralId { get; init; }
    public required string ReferralNo { get; init; }
    public required string Sender { get; init; }
    /// <summary>True for a referral of a sandbox institution.</summary>
    public bool Synthetic { get; init; }
    /// <summary>Institutions that have had it, as far as was heard, by code.</summary>
    public string[] Tried { get; init; } = [];

    /// <summary>Sequence of the newest event heard; leg to priority are as it said.</summary>
    public long Sequence { get; init; }
    public int Leg { get; init; } = 1;
    public ReferralState State { get; init; } = ReferralState.Submitted;
    public string Receiver { get; init; } = "";
    public string? Department { get; init; }
    public Priority Priority { get; init; }
    public bool Contracted { get; init; }

    /// <summary>Sequence of the newest event that asked for a place; leg to eligibility are as it said.</summary>
    public long AskedSequence { get; init; }
    public int AskedLeg { get; init; }
    public string? Resource { get; init; }
    public DateTimeOffset? WindowFrom { get; init; }
    public DateTimeOffset? WindowUntil { get; init; }
    public string[] Eligibility { get; init; } = [];

    public int SinceLeg { get; init; }
    /// <summary>When this leg first asked: its turn in the line, kept when a booking falls away.</summary>
    public DateTimeOffset? Since { get; init; }
    /// <summary>"To be booked again": a booking made on older news than this does not count any more.</summary>
    public long AgainSequence { get; init; }
    public long EmergencySequence { get; init; }
    public DateTimeOffset? EmergencyAt { get; init; }
    public long ArrivalSequence { get; init; }
    public DateTimeOffset? ArrivalAt { get; init; }

    /// <summary>Number of the last event said about this referral: a lower one is older news.</summary>
    public long Attempt { get; init; }

    public bool IsOver => State is ReferralState.Completed or ReferralState.Advised or ReferralState.Declined
        or ReferralState.Cancelled or ReferralState.Expired or ReferralState.Closed;

    /// <summary>The patient is there: what was booked serves its purpose.</summary>
    public bool IsThere => State is ReferralState.Arrived or ReferralState.InTreatment or ReferralState.Treated
        or ReferralState.FollowUp;

    /// <summary>True when this leg should have a place. Scheduled and later is for the referral service to say.</summary>
    public bool Wants => State is ReferralState.Accepted or ReferralState.Waitlisted or ReferralState.InTransit
        && Resource is not null && AskedLeg == Leg;

    /// <summary><see cref="Wants"/> in a statement in which the need is <c>n</c>.</summary>
    public const string IsWanting =
        "n.state in ('Accepted', 'Waitlisted', 'InTransit') and n.resource is not null and n.asked_leg = n.leg";

    /// <summary>True when a person may choose a place for it: also for one who did not come.</summary>
    public bool MayBook => State is ReferralState.Accepted or ReferralState.Waitlisted or ReferralState.NoShow or ReferralState.InTransit
        && Resource is not null && AskedLeg == Leg;

    /// <summary>
    /// Earliest and latest start. An emergency made of something slower wants its place within a day; a patient who
    /// comes later than agreed wants it within a week of the new date.
    /// </summary>
    public BookingWindow Window
    {
        get
        {
            if (EmergencyAt is { } emergency && EmergencySequence > AskedSequence)
                return new(emergency, emergency.AddDays(1));
            var (from, until) = (WindowFrom ?? DateTimeOffset.MinValue, WindowUntil ?? DateTimeOffset.MaxValue);
            if (ArrivalAt is not { } arrival || ArrivalSequence < AskedSequence)
                return new(from, until);
            var week = arrival.AddDays(7);
            return new(arrival, until > week ? until : week);
        }
    }

    /// <summary>
    /// Where it may be served, the preferred line first. A patient of a rehab joint ward gets a bed when one is free and
    /// a first visit otherwise: he leaves the hospital, and the clinic can still take him in from home.
    /// </summary>
    public IReadOnlyList<Line> Lines => Resource switch
    {
        null => [],
        Resources.Ward => [Line.Of(Receiver, Department, Resources.Ward), Line.Of(Receiver, Department, Resources.Visit)],
        Resources.Visit when Eligibility.Length > 0 => [Line.Of(Receiver, Department, Resources.Ward), Line.Of(Receiver, Department, Resources.Visit)],
        _ => [Line.Of(Receiver, Department, Resource)],
    };

    /// <summary>Place in the order of a line: priority, then a family-doctor contract; among equals the time decides.</summary>
    public int Rank => (2 - (int)Priority) * 2 + (Contracted ? 0 : 1);

    /// <summary>Columns by name, so that one that the next version adds does not change what a prepared statement returns.</summary>
    public const string Columns = """
        referral_id, referral_no, sender, sequence, leg, state, receiver, department, priority, contracted,
        asked_sequence, asked_leg, resource, window_from, window_until, eligibility, since_leg, since,
        again_sequence, emergency_sequence, emergency_at, arrival_sequence, arrival_at, attempt, synthetic, tried
        """;

    public static Need Of(HeardEvent heard) => new Need
    {
        ReferralId = heard.Data.Id, ReferralNo = heard.Data.ReferralNo, Sender = heard.Data.Sender,
    }.Hear(heard);

    /// <summary>This need after one more event.</summary>
    public Need Hear(HeardEvent heard)
    {
        var data = heard.Data;
        var sequence = data.Sequence;
        var need = this with
        {
            Contracted = Contracted || data.Contracted == true, Synthetic = Synthetic || data.Synthetic,
            Tried = [.. Tried.Append(data.Receiver).Append(data.PreviousReceiver).OfType<string>().Distinct().Order(StringComparer.Ordinal)],
        };

        if (sequence > Sequence)
            need = need with
            {
                Sequence = sequence, Leg = data.Leg, State = data.State, Receiver = data.Receiver,
                Department = data.Department, Priority = data.Urgency,
            };

        if (data is { Resource: { } resource, Window: { } window } && Resources.All.Contains(resource))
        {
            if (sequence > AskedSequence)
                need = need with
                {
                    AskedSequence = sequence, AskedLeg = data.Leg, Resource = resource,
                    WindowFrom = window.From, WindowUntil = window.Until, Eligibility = [.. data.Eligibility ?? []],
                };
            if (data.Leg > SinceLeg || data.Leg == SinceLeg && heard.Time < Since)
                need = need with { SinceLeg = data.Leg, Since = heard.Time };
        }

        return ReferralEvents.NameOf(heard.Type) switch
        {
            ReferralEvents.BookingCancelled when sequence > AgainSequence => need with { AgainSequence = sequence },
            ReferralEvents.MadeEmergency when sequence > EmergencySequence => need with { EmergencySequence = sequence, EmergencyAt = heard.Time },
            ReferralEvents.ArrivalChanged when sequence > ArrivalSequence => need with { ArrivalSequence = sequence, ArrivalAt = data.ExpectedArrival },
            _ => need,
        };
    }
}
