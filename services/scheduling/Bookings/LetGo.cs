using Dapper;

namespace SchedulingService.Bookings;

/// <summary>Ends a booking; its place is free from then on.</summary>
internal static class LetGo
{
    public const string Statement = """
        update booking set
            -- somebody lay in the bed until now, or nobody ever did
            during = case when bed_id is null then null
                          when state = 'Used' and lower(during) < @Now then tstzrange(lower(during), @Now)
                          else 'empty' end,
            state = @end, reason = @Code, note = @Note, ended_by = @by, ended_at = @Now, version = version + 1
        where id = @ended and state in ('Held', 'Booked', 'Used')
        """;

    /// <summary>Whoever calls it has passed the booking's line, and serves it afterwards.</summary>
    public static Task Of(Change change, Booking booking, BookingState state, EndingReason? reason = null, string by = "System") =>
        change.Connection.ExecuteAsync(Statement, new { ended = booking.Id, end = state.ToString(), reason?.Code, reason?.Note, by, change.Now });
}
