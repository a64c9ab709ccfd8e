using Referrals.Contracts;

namespace SchedulingService.Needs;

/// <summary>
/// What scheduling reads of a referral's event. Everything else passes by unread, so that a member, kind or code of a
/// later version needs no change here. A state that this version does not know cannot be judged: the message is put
/// aside with its reason, and put back once the version that knows it runs.
/// </summary>
internal sealed record HeardEvent
{
    public required Guid Id { get; init; }
    public required string Type { get; init; }
    public required DateTimeOffset Time { get; init; }
    public string? TraceParent { get; init; }
    public required HeardFacts Data { get; init; }
}

/// <summary>The members that decide what a referral needs.</summary>
internal sealed record HeardFacts
{
    public required Guid Id { get; init; }
    public required string ReferralNo { get; init; }
    public required long Sequence { get; init; }
    public required int Leg { get; init; }
    public required ReferralState State { get; init; }
    public required string Priority { get; init; }
    public required string Sender { get; init; }
    public required string Receiver { get; init; }
    public string? PreviousReceiver { get; init; }
    public bool Synthetic { get; init; }
    public string? Department { get; init; }
    public DateTimeOffset? ExpectedArrival { get; init; }
    public BookingWindow? Window { get; init; }
    public string? Resource { get; init; }
    public IReadOnlyList<string>? Eligibility { get; init; }
    public bool? Contracted { get; init; }
    public BookingFacts? Booking { get; init; }

    /// <summary>A word that nobody here knows puts nobody in front of others.</summary>
    public Priority Urgency => Enum.TryParse<Priority>(Priority, out var known) && Enum.IsDefined(known) ? known : default;
}
