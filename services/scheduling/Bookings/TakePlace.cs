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

/// <summary>Puts a referral into a place. The line of the place was passed.</summary>
internal static class TakePlace
{
    /// <summary>A bed is kept this long after the agreed hour.</summary>
    public static readonly TimeSpan BedIsKept = TimeSpan.FromHours(48);

    /// <summary>No place is further away: that is a slip of the pen, and who waits past his window would get it.</summary>
    public static readonly TimeSpan FurthestAhead = TimeSpan.FromDays(366);

    /// <summary>Takes a place instead of one that was let go in the same change.</summary>
    public static async Task<Booking> Instead(Change change, Need need, Place place, Booking replaces, EndingReason reason)
    {
        var (booking, hash) = await Insert(change, need, place, replaces.Institution, BookingState.Booked, null, replaces.Id);
        await change.Say(SchedulingEvents.Rescheduled, need, booking.HeldFacts(hash) with { ReplacedBookingId = replaces.Id, Reason = reason.Code });
        return booking;
    }

    /// <summary>Takes a place for a referral that has none, or, until <paramref name="heldUntil"/>, holds it.</summary>
    public static async Task<Booking> Take(Change change, Need need, Place place, string institution, DateTimeOffset? heldUntil)
    {
        var (booking, hash) = await Insert(change, need, place, institution, heldUntil is null ? BookingState.Booked : BookingState.Held, heldUntil, null);
        // nobody hears of what is only held
        if (heldUntil is null)
            await change.Say(SchedulingEvents.Booked, need, booking.HeldFacts(hash));
        return booking;
    }

    /// <summary>Turns what was held into a booking, instead of <paramref name="replaces"/> where there was one.</summary>
    public static async Task<Booking> Confirm(Change change, Need need, Booking held, Booking? replaces, string reason)
    {
        var booking = await change.Connection.QuerySingleAsync<Booking>($"""
            update booking set state = 'Booked', held_until = null, heard_sequence = @Sequence, replaces = @replaces, version = version + 1
            where id = @Id and state = 'Held'
            returning {Booking.Columns}
            """, new { held.Id, need.Sequence, replaces = replaces?.Id });
        var facts = booking.HeldFacts(change.Codes.Hash(booking.Id, change.Codes.Open(booking.Id, booking.Code)));
        if (replaces is null)
            await change.Say(SchedulingEvents.Booked, need, facts);
        else
            await change.Say(SchedulingEvents.Rescheduled, need, facts with { ReplacedBookingId = replaces.Id, Reason = reason });
        return booking;
    }

    private static async Task<(Booking Booking, string CodeHash)> Insert(
        Change change, Need need, Place place, string institution, BookingState state, DateTimeOffset? heldUntil, Guid? replaces)
    {
        var (id, code) = (Guid.NewGuid(), AppointmentCodes.New());
        var booking = await change.Connection.QuerySingleAsync<Booking>($"""
            insert into booking (id, referral_id, leg, institution, department, resource, clinician, slot_id, bed_id,
                starts_at, ends_at, during, state, heard_sequence, code, code_lookup, replaces, pool_week, held_until, created_at)
            values (@id, @ReferralId, @Leg, @institution, @Department, @Resource, @Clinician, @SlotId, @BedId,
                @StartsAt, @EndsAt, case when @BedId::uuid is not null then tstzrange(@StartsAt, null) end,
                @state, @Sequence, @sealedCode, @lookup, @replaces, @PoolWeek, @heldUntil, @Now)
            returning {Booking.Columns}
            """, new
            {
                id, need.ReferralId, need.Leg, institution, place.Department, place.Resource, place.Clinician,
                place.SlotId, place.BedId, place.StartsAt, place.EndsAt, place.PoolWeek, need.Sequence, state = state.ToString(),
                sealedCode = change.Codes.Seal(id, code), lookup = change.Codes.Lookup(institution, code), replaces, heldUntil, change.Now,
            });
        return (booking, change.Codes.Hash(id, code));
    }
}
