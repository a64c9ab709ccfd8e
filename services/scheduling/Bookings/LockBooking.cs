using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Needs;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>Reads a booking together with its referral's need, for who moves it.</summary>
internal static class LockBooking
{
    /// <summary>The booking that exists, kept from others, as its need is, until the change ends.</summary>
    public static async Task<(Need Need, Booking Booking)> Of(Change change, Guid id) =>
        (await Read(change.Connection, id, "for update"))!.Value;

    /// <summary>
    /// The booking as it stands at this moment, for an employee of one of its parties; or the refusal of
    /// <paramref name="action"/> for anybody else, who is noted when he is no party.
    /// </summary>
    public static async Task<(Booking? Seen, IResult? Refused)> See(NpgsqlDataSource database, TimeProvider clock, Caller caller, Guid id, string action)
    {
        await using var connection = await database.OpenConnectionAsync();
        if (await Read(connection, id, "") is not var (need, booking) || caller.Institution != booking.Institution && caller.Institution != need.Sender)
            return (null, await Roles.NoParty(connection, clock, caller, action, id.ToString()));
        return Roles.Staff.Contains(caller.Role) ? (booking, null) : (null, new ProblemResult(Problems.Forbidden));
    }

    private static async Task<(Need Need, Booking Booking)?> Read(NpgsqlConnection connection, Guid id, string forUpdate)
    {
        await using var rows = await connection.QueryMultipleAsync($"""
            select {Need.Columns} from need where referral_id = (select referral_id from booking where id = @id) {forUpdate};
            -- read after the lock: every change of a booking locks the need first
            select {Booking.Columns} from booking where id = @id
            """, new { id });
        return await rows.ReadSingleOrDefaultAsync<Need>() is { } need ? (need, await rows.ReadSingleAsync<Booking>()) : null;
    }
}
