using Dapper;
using Referrals.Contracts;
using SchedulingService.Needs;

namespace SchedulingService.Bookings;

/// <summary>A free slot or bed, and when it would be used.</summary>
internal sealed record Place
{
    public Guid? SlotId { get; init; }
    public Guid? BedId { get; init; }
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public string? Clinician { get; init; }
    public required DateTimeOffset StartsAt { get; init; }
    public required DateTimeOffset EndsAt { get; init; }
    /// <summary>Monday of the week whose quota it counts against, where the slot is reserved.</summary>
    public DateOnly? PoolWeek { get; init; }
}

/// <summary>Moves a referral from one place to another.</summary>
internal static class TakePlace
{
    /// <summary>A bed is kept this long after the agreed hour.</summary>
    public static readonly TimeSpan BedIsKept = TimeSpan.FromHours(48);

    /// <summary>Takes a place instead of one that was let go in the same change. The line of both was passed.</summary>
    public static async Task<Booking> Instead(Change change, Need need, Place place, Booking replaces, EndingReason reason)
    {
        var (id, code) = (Guid.NewGuid(), AppointmentCodes.New());
        var booking = await change.Connection.QuerySingleAsync<Booking>($"""
            insert into booking (id, referral_id, leg, institution, department, resource, clinician, slot_id, bed_id,
                starts_at, ends_at, during, state, heard_sequence, code, replaces, pool_week, created_at)
            values (@id, @ReferralId, @Leg, @Institution, @Department, @Resource, @Clinician, @SlotId, @BedId,
                @StartsAt, @EndsAt, case when @BedId::uuid is not null then tstzrange(@StartsAt, null) end,
                'Booked', @Sequence, @sealedCode, @replaces, @PoolWeek, @Now)
            returning {Booking.Columns}
            """, new
            {
                id, need.ReferralId, need.Leg, replaces.Institution, place.Department, place.Resource, place.Clinician,
                place.SlotId, place.BedId, place.StartsAt, place.EndsAt, place.PoolWeek, need.Sequence,
                sealedCode = change.Codes.Seal(id, code), replaces = replaces.Id, change.Now,
            });
        await change.Say(SchedulingEvents.Rescheduled, need, booking.HeldFacts(change.Codes.Hash(id, code)) with
        {
            ReplacedBookingId = replaces.Id, Reason = reason.Code,
        });
        return booking;
    }
}
