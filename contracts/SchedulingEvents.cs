namespace Referrals.Contracts;

/// <summary>
/// An event of the scheduling service, published to <see cref="SchedulingEvents.Exchange"/> with its
/// <see cref="Type"/> as routing key. <see cref="Id"/> is the message id: the same on every repetition.
/// </summary>
public sealed record SchedulingEvent(
    string SpecVersion,
    Guid Id,
    string Source,
    string Type,
    string Subject,
    DateTimeOffset Time,
    string DataContentType,
    string DataSchema,
    string? TraceParent,
    SchedulingFacts Data);

/// <summary>The coded facts of a booking or a capacity; no patient data.</summary>
public sealed record SchedulingFacts
{
    /// <summary>The referral a booking belongs to; absent for <c>capacity-changed</c>.</summary>
    public Guid? ReferralId { get; init; }
    /// <summary>Number of that referral.</summary>
    public string? ReferralNo { get; init; }
    /// <summary>The leg the booking was asked for: an answer to an earlier leg is late.</summary>
    public int? Leg { get; init; }
    /// <summary>Counts the bookings of one referral; a lower number is older news.</summary>
    public long? Attempt { get; init; }
    /// <summary>The booking this is about.</summary>
    public Guid? BookingId { get; init; }
    /// <summary>The booking that the new one replaces.</summary>
    public Guid? ReplacedBookingId { get; init; }
    /// <summary>Institution that owns the slot or bed: unified social credit code (GB 32100).</summary>
    public required string Institution { get; init; }
    /// <summary>Its department (诊疗科目 code).</summary>
    public string? Department { get; init; }
    /// <summary>Slot, Bed, Equipment, Reading, Session, Ward or Visit.</summary>
    public string? Resource { get; init; }
    /// <summary>When the patient is to be there.</summary>
    public DateTimeOffset? StartsAt { get; init; }
    /// <summary>When the place is free again.</summary>
    public DateTimeOffset? EndsAt { get; init; }
    /// <summary>Clinician of the slot, an id and never a name.</summary>
    public string? Clinician { get; init; }
    /// <summary>Where in the institution, as it says itself, e.g. 门诊楼三层302诊室; absent when it says nothing.</summary>
    public string? Place { get; init; }
    /// <summary>What to bring, in Chinese, one thing each.</summary>
    public IReadOnlyList<string>? Bring { get; init; }
    /// <summary>Keyed hash (HMAC-SHA-256, base64) of the appointment code: checks a code, reveals none.</summary>
    public string? CodeHash { get; init; }
    /// <summary>True for a place out of a pool that is reserved for contracted patients (家庭医生预留号源).</summary>
    public bool? FromPool { get; init; }
    /// <summary>Code of the reason list that belongs to the change.</summary>
    public string? Reason { get; init; }
    /// <summary>Who cancelled: Sender, Receiver or System.</summary>
    public string? By { get; init; }
    /// <summary>
    /// All free places of this kind in this department by day, for <c>capacity-changed</c>: a day that is not named has
    /// none. It replaces what was said before; of two such events the one with the later <c>time</c> is the truth.
    /// </summary>
    public IReadOnlyList<FreePlaces>? Free { get; init; }
}

/// <summary>Free places of one day.</summary>
/// <param name="On">The calendar day, Asia/Shanghai.</param>
/// <param name="Count">How many places are free; never below 0.</param>
public sealed record FreePlaces(DateOnly On, int Count);

/// <summary>The vocabulary of the scheduling service.</summary>
public static class SchedulingEvents
{
    public const string Exchange = "scheduling-events";

    public const string Booked = "scheduling.booked";
    public const string Rescheduled = "scheduling.rescheduled";
    public const string NoCapacity = "scheduling.no-capacity";
    public const string BookingCancelled = "scheduling.booking-cancelled";
    public const string NoShow = "scheduling.no-show";
    public const string CheckedIn = "scheduling.checked-in";
    public const string Released = "scheduling.released";
    public const string CapacityChanged = "scheduling.capacity-changed";

    /// <summary>Members every scheduling event carries.</summary>
    public static readonly IReadOnlyList<string> Always = ["institution", "department", "resource"];

    public static readonly IReadOnlyList<EventDefinition> All =
    [
        new(Booked, "A slot or bed is held for a referral.", "referralId", "referralNo", "leg", "attempt", "bookingId",
            "startsAt", "endsAt", "clinician", "codeHash", "place", "bring", "fromPool"),
        new(Rescheduled, "Another slot or bed is held; the old one is free.", "referralId", "referralNo", "leg",
            "attempt", "bookingId", "replacedBookingId", "startsAt", "endsAt", "clinician", "codeHash", "place", "bring", "reason", "fromPool"),
        new(NoCapacity, "Nothing is free inside the window; the referral waits.", "referralId", "referralNo", "leg",
            "attempt"),
        new(BookingCancelled, "The booking fell away.", "referralId", "referralNo", "leg", "attempt", "bookingId",
            "reason", "by"),
        new(NoShow, "The slot ended and nobody came.", "referralId", "referralNo", "leg", "attempt", "bookingId"),
        new(CheckedIn, "The patient showed the appointment code at the desk.", "referralId", "referralNo", "leg", "attempt",
            "bookingId", "codeHash"),
        new(Released, "What a finished referral held is free again.", "referralId", "referralNo", "leg", "attempt",
            "bookingId"),
        new(CapacityChanged, "The free places of one kind in a department changed.", "free"),
    ];
}
