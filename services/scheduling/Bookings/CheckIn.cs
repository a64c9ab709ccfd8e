using Dapper;
using Npgsql;
using Referrals.Contracts;
using SchedulingService.Http;
using SchedulingService.Needs;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <param name="Code">The appointment code the patient shows; small letters and blanks are forgiven.</param>
internal sealed record CheckInRequest(string Code);

/// <param name="Late">True when the slot was over and had been given up: there was still room.</param>
internal sealed record CheckedIn(Guid BookingId, Guid ReferralId, string ReferralNo, DateTimeOffset StartsAt, bool Late, int Version);

/// <summary>
/// The desk reads the code, and the patient is there: the code works once, and the referral service records the
/// arrival. Who comes after his slot was given up as missed is let in the same day as long as there is room, unless he has
/// been booked again: then the new code counts.
/// </summary>
internal static class CheckIn
{
    /// <summary>A bed may be taken a day early, a slot from four hours before.</summary>
    private static readonly TimeSpan Early = TimeSpan.FromHours(4), EarlyForABed = TimeSpan.FromDays(1);

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/check-ins", Check).Command<CheckInRequest, CheckedIn>(
            "checkIn", "Bookings", "Checks a patient in by the appointment code, once; the arrival of the referral follows. Who was missed and has been booked again shows the new code (409 newer-booking).",
            """{"code":"7KQ4MX"}""", 200,
            """{"bookingId":"3f1d2c9a-5a0e-4d5b-a6f4-1c2d3e4f5a04","referralId":"7c1f3c8e-2c55-4b0a-8f5e-8a1f0f1d9b03","referralNo":"ZZ2611220001","startsAt":"2026-12-01T01:00:00+00:00","late":false,"version":2}""");

    private static async Task<IResult> Check(HttpContext http, Commands commands, NpgsqlDataSource database, AppointmentCodes codes, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<CheckInRequest>(http);
        if (command is null)
            return refused!;
        var checks = new Checks();
        checks.Text(command.Body.Code, "/code", 16);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (!Roles.Staff.Contains(command.Caller.Role))
            return new ProblemResult(Problems.Forbidden);
        var lookup = codes.Lookup(command.Caller.Institution, AppointmentCodes.Normalized(command.Body.Code));
        // an unknown code and one of another institution look the same, and either leaves its trace
        if (await Find(database, lookup) is not { } id)
            return await Roles.NoParty(database, clock, command.Caller, "booking.check-in", "code");

        return await commands.Run(command.Key, async change =>
        {
            var (need, booking) = await LockBooking.Of(change, id);
            if (booking.State is not (BookingState.Booked or BookingState.NoShow) || need.IsOver || need.Leg != booking.Leg)
                return CancelBooking.Ended(booking);
            var late = booking.State == BookingState.NoShow;
            if (late && await Newer(change, need) is { } newer)
                return new Problem(SchedulingProblems.NewerBooking)
                {
                    More = new Dictionary<string, object?> { ["bookingId"] = newer.Id, ["startsAt"] = newer.StartsAt },
                };
            var early = booking.StartsAt - (booking.BedId is null ? Early : EarlyForABed);
            if (change.Now < early)
                return new Problem(SchedulingProblems.TooEarly) { More = new Dictionary<string, object?> { ["from"] = early } };
            await Line.Pass(change, [booking.Line]);
            if (late && !await HasRoom(change, booking))
                return new Problem(SchedulingProblems.SlotTaken)
                {
                    More = new Dictionary<string, object?> { ["alternatives"] = await Alternatives.For(change.Connection, change.Now, need.ReferralId, booking.Line, change.Now) },
                };
            await change.Connection.ExecuteAsync("""
                update booking set
                    state = 'Used', checked_in_at = @Now, version = version + 1, ended_at = null, reason = null, ended_by = null,
                    during = case when bed_id is not null then tstzrange(least(starts_at, @Now), null) end
                where id = @id
                """, new { id, change.Now });
            var code = change.Codes.Open(id, booking.Code);
            await change.Say(SchedulingEvents.CheckedIn, need, booking.Facts with { CodeHash = change.Codes.Hash(id, code) });
            await change.Audit(command.Caller, "booking.check-in", id);
            var version = booking.Version + 1;
            return Reply.Done(StatusCodes.Status200OK, new CheckedIn(id, need.ReferralId, need.ReferralNo, booking.StartsAt, late, version), ETags.Of(version));
        }, http.RequestAborted);
    }

    // the referral service knows one code, that of the newest booking: an arrival with another one it would refuse
    private static Task<Booking?> Newer(Change change, Need need) =>
        change.Connection.QuerySingleOrDefaultAsync<Booking>($"""
            select {Booking.Columns} from booking where referral_id = @ReferralId and state = 'Booked'
            """, new { need.ReferralId });

    // a missed bed is another's by now; a missed slot has room until the day is over, unless others took it
    private static Task<bool> HasRoom(Change change, Booking booking) =>
        change.Connection.QuerySingleOrDefaultAsync<bool>("""
            select taken < capacity + overbook and (@Now at time zone 'Asia/Shanghai')::date = (starts_at at time zone 'Asia/Shanghai')::date
            from slot where id = @SlotId and withdrawn_at is null
            """, new { booking.SlotId, change.Now });

    private static async Task<Guid?> Find(NpgsqlDataSource database, string lookup)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.QuerySingleOrDefaultAsync<Guid?>("""
            select id from booking where code_lookup = @lookup and state in ('Held', 'Booked', 'Used', 'NoShow')
            """, new { lookup });
    }
}
