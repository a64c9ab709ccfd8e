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
}

/// <summary>Books a place for a referral and says so.</summary>
internal static class TakePlace
{
    /// <summary>A bed is kept this long after the agreed hour.</summary>
    public static readonly TimeSpan BedIsKept = TimeSpan.FromHours(48);

    /// <summary>
    /// Takes a place whose line was passed. With <paramref name="replaces"/>, which must have been let go in the same
    /// change, the news is <c>rescheduled</c>, otherwise <c>booked</c>.
    /// </summary>
    public static async Task<Booking> Take(Change change, Need need, Place place, Booking? replaces = null, string? reason = null)
    {
        var id = Guid.NewGuid();
        var code = AppointmentCodes.New();
        var booking = new Booking
        {
            Id = id, ReferralId = need.ReferralId, Leg = need.Leg, Institution = need.Receiver,
            Department = place.Department, Resource = place.Resource, Clinician = place.Clinician,
            SlotId = place.SlotId, BedId = place.BedId, StartsAt = place.StartsAt, EndsAt = place.EndsAt,
            State = BookingState.Booked, HeardSequence = need.Sequence, Code = change.Codes.Seal(id, code),
            Replaces = replaces?.Id, CreatedAt = change.Now,
        };
        await change.Connection.ExecuteAsync("""
            delete from waiting where referral_id = @ReferralId;
            insert into booking (id, referral_id, leg, institution, department, resource, clinician, slot_id, bed_id,
                starts_at, ends_at, during, state, heard_sequence, code, replaces, created_at)
            values (@Id, @ReferralId, @Leg, @Institution, @Department, @Resource, @Clinician, @SlotId, @BedId,
                @StartsAt, @EndsAt, case when @BedId::uuid is not null then tstzrange(@StartsAt, null) end,
                'Booked', @HeardSequence, @Code, @Replaces, @CreatedAt)
            """, booking);
        await Say(change, need, replaces is null ? SchedulingEvents.Booked : SchedulingEvents.Rescheduled, booking, new()
        {
            Institution = booking.Institution, ReplacedBookingId = replaces?.Id, StartsAt = booking.StartsAt,
            EndsAt = booking.EndsAt, Clinician = booking.Clinician, CodeHash = change.Codes.Hash(id, code), Reason = reason,
        });
        return booking;
    }

    /// <summary>Says something about a booking, as the next attempt of its referral.</summary>
    public static async Task Say(Change change, Need need, string type, Booking booking, SchedulingFacts facts) =>
        change.Say(type, need.ReferralNo, facts with
        {
            ReferralId = need.ReferralId, ReferralNo = need.ReferralNo, Leg = booking.Leg,
            Attempt = await NextAttempt(change, need.ReferralId), BookingId = booking.Id,
            Department = booking.Department, Resource = booking.Resource,
        });

    /// <summary>Numbers what is said about a referral, so that its hearers can tell older news from newer.</summary>
    public static Task<long> NextAttempt(Change change, Guid referralId) =>
        change.Connection.QuerySingleAsync<long>("""
            update need set attempt = attempt + 1 where referral_id = @referralId returning attempt
            """, new { referralId });
}
