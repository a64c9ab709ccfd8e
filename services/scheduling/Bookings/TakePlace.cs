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

    /// <summary>Takes a place and lets <paramref name="old"/> go for it. The old line was passed, too, and is served afterwards.</summary>
    /// <param name="by">Who wanted it so: Sender or Receiver.</param>
    public static async Task<Booking> Instead(Change change, Need need, Place place, Booking old, EndingReason reason, string by)
    {
        var (booking, hash, attempt) = await Insert(change, need, place, old.Institution, BookingState.Booked, null, (old, reason, by));
        change.Say(SchedulingEvents.Rescheduled, need, attempt, booking.HeldFacts(hash) with { ReplacedBookingId = old.Id, Reason = reason.Code });
        return booking;
    }

    /// <summary>Takes a place for a referral that has none, or, until <paramref name="heldUntil"/>, holds it.</summary>
    public static async Task<Booking> Take(Change change, Need need, Place place, string institution, DateTimeOffset? heldUntil)
    {
        var (booking, hash, attempt) = await Insert(change, need, place, institution, heldUntil is null ? BookingState.Booked : BookingState.Held, heldUntil, null);
        // nobody hears of what is only held
        if (heldUntil is null)
            change.Say(SchedulingEvents.Booked, need, attempt, booking.HeldFacts(hash));
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

    private const string Statement = $"""
        with counted as (
            update need set attempt = attempt + 1 where referral_id = @ReferralId and @state = 'Booked' returning attempt
        )
        insert into booking (id, referral_id, leg, institution, department, resource, clinician, slot_id, bed_id,
            starts_at, ends_at, during, state, heard_sequence, code, code_lookup, replaces, pool_week, held_until, created_at)
        values (@id, @ReferralId, @Leg, @institution, @Department, @Resource, @Clinician, @SlotId, @BedId,
            @StartsAt, @EndsAt, case when @BedId::uuid is not null then tstzrange(@StartsAt, null) end,
            @state, @Sequence, @sealedCode, @lookup, @ended, @PoolWeek, @heldUntil, @Now)
        returning {Booking.Columns}, coalesce((select attempt from counted), 0) as attempt
        """;

    private static async Task<(Booking Booking, string CodeHash, long Attempt)> Insert(
        Change change, Need need, Place place, string institution, BookingState state, DateTimeOffset? heldUntil, (Booking Old, EndingReason Reason, string By)? instead)
    {
        var (id, code) = (Guid.NewGuid(), AppointmentCodes.New());
        // one after the other, for a referral has one booking at a time; in one round trip, for others wait in the line
        var rows = await change.Connection.QueryAsync<Booking, long, (Booking, long)>(instead is null ? Statement : LetGo.Statement + ";" + Statement, ValueTuple.Create, new
        {
            id, need.ReferralId, need.Leg, institution, place.Department, place.Resource, place.Clinician,
            place.SlotId, place.BedId, place.StartsAt, place.EndsAt, place.PoolWeek, need.Sequence, state = state.ToString(),
            sealedCode = change.Codes.Seal(id, code), lookup = change.Codes.Lookup(institution, code), heldUntil, change.Now,
            ended = instead?.Old.Id, end = nameof(BookingState.Rescheduled), instead?.Reason.Code, instead?.Reason.Note, by = instead?.By,
        }, splitOn: "attempt");
        var (booking, attempt) = rows.Single();
        return (booking, change.Codes.Hash(id, code), attempt);
    }
}
