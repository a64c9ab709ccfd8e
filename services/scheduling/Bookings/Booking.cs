using Referrals.Contracts;
using SchedulingService.Waiting;

namespace SchedulingService.Bookings;

/// <summary>Where a booking stands. Held, Booked and Used take a place; the others have given it back.</summary>
internal enum BookingState
{
    /// <summary>Kept for a moment, until somebody confirms.</summary>
    Held,
    Booked,
    /// <summary>The patient came; the appointment code is burnt.</summary>
    Used,
    Cancelled,
    /// <summary>Another booking replaces it.</summary>
    Rescheduled,
    /// <summary>Given back because the referral no longer needs it.</summary>
    Released,
    NoShow,
}

/// <summary>A row of <c>booking</c>: one referral in one slot or bed.</summary>
internal sealed record Booking
{
    public required Guid Id { get; init; }
    public required Guid ReferralId { get; init; }
    public required int Leg { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public string? Clinician { get; init; }
    public Guid? SlotId { get; init; }
    public Guid? BedId { get; init; }
    public required DateTimeOffset StartsAt { get; init; }
    /// <summary>End of the slot; of a bed the time until which it is kept for a patient who has not come.</summary>
    public required DateTimeOffset EndsAt { get; init; }
    public required BookingState State { get; init; }
    public required long HeardSequence { get; init; }
    public byte[] Code { get; init; } = [];
    public Guid? Replaces { get; init; }
    public string? Reason { get; init; }
    public string? EndedBy { get; init; }
    public int Version { get; init; } = 1;
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>When a place that is only held goes back.</summary>
    public DateTimeOffset? HeldUntil { get; init; }

    /// <summary>The week of the pool for family doctors that it was taken out of; null for a place that is open to all.</summary>
    public DateOnly? PoolWeek { get; init; }

    public Line Line => Line.Of(Institution, Department, Resource);

    /// <summary>What every event about it says.</summary>
    public SchedulingFacts Facts => new()
    {
        Leg = Leg, BookingId = Id, Institution = Institution, Department = Department, Resource = Resource,
    };

    /// <summary>What is told of a place that is held: when, with whom, and the hash of its code.</summary>
    public SchedulingFacts HeldFacts(string codeHash) => Facts with
    {
        StartsAt = StartsAt, EndsAt = EndsAt, Clinician = Clinician, CodeHash = codeHash,
        FromPool = PoolWeek is null ? null : true,
    };

    /// <summary>Columns for every statement that reads whole rows.</summary>
    public const string Columns = """
        id, referral_id, leg, institution, department, resource, clinician, slot_id, bed_id, starts_at, ends_at, state,
        heard_sequence, code, replaces, reason, ended_by, version, created_at, ended_at, held_until, pool_week
        """;
}
