using Dapper;
using SchedulingService.Needs;

namespace SchedulingService.Bookings;

/// <summary>Reads a booking that exists, together with its referral's need, and keeps others from changing either.</summary>
internal static class LockBooking
{
    public static async Task<(Need Need, Booking Booking)> Of(Change change, Guid id)
    {
        await using var rows = await change.Connection.QueryMultipleAsync($"""
            select {Need.Columns} from need where referral_id = (select referral_id from booking where id = @id) for update;
            -- read after the lock: every change of a booking locks the need first
            select {Booking.Columns} from booking where id = @id
            """, new { id });
        return (await rows.ReadSingleAsync<Need>(), await rows.ReadSingleAsync<Booking>());
    }
}
