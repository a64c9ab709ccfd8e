using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>The bookings of one referral, newest first: what stands and what became of the earlier ones.</summary>
internal static class ListBookings
{
    // each patient has a handful: a reasonable limit instead of pages
    private const int Most = 100;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/bookings", List).Read<Page<BookingDetail>>(
            "listBookings", "Bookings", "The bookings of one referral (its id or number), newest first; each party sees those it is a party of.",
            $$"""{"items":[{{GetBooking.Example}}]}""", 404);

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, AppointmentCodes codes, TimeProvider clock, string? referral)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        checks.Required(referral, "referral");
        Reading.Code(referral, "referral", checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var bookings = await GetBooking.Details(connection, codes, GetBooking.Select + """
            where (n.referral_id = @id or n.referral_no = @referral) and (n.sender = @Institution or b.institution = @Institution)
            order by b.created_at desc, b.id
            limit @Most
            """, new { id = Guid.TryParse(referral, out var id) ? id : (Guid?)null, referral, caller.Institution, Most });
        if (bookings.Count == 0)
            return await Roles.NoParty(connection, clock, caller, "booking.list", referral!);
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        await Auditing.Write(connection, clock.GetUtcNow(), caller, "booking.list", denied: false, [bookings[0].ReferralId.ToString()]);
        return Reading.Send(http, new Page<BookingDetail>(bookings));
    }
}
