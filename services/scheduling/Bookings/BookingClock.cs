using Dapper;
using Npgsql;
using Referrals.Contracts;
using SchedulingService.Needs;
using SchedulingService.Timers;
using SchedulingService.Waiting;

namespace SchedulingService.Bookings;

/// <summary>
/// What time does to bookings. A hold that was not confirmed ends. Who was missed and which bed goes back the referral
/// service says, by the timers of its alliance: here is the long stop for what it has not said a day later. Whoever is
/// on the way or asked to cancel is left alone.
/// </summary>
internal sealed class BookingClock(Changes changes, NpgsqlDataSource database, TimeProvider clock, IConfiguration configuration)
{
    private const int Most = 100;

    /// <summary>How long after the end of slot or keeping a booking stands of which nobody has said anything.</summary>
    private TimeSpan LongStop => configuration.GetValue("Bookings:LongStop", TimeSpan.FromDays(1));

    public Round Round => new("bookings", configuration.GetValue("Bookings:LookEvery", TimeSpan.FromSeconds(1)), Look);

    private const string Due = """
        (select id, held_until as due from booking where state = 'Held' and held_until <= @Now order by held_until limit @Most)
        union all
        (select b.id, b.ends_at from booking b join need n using (referral_id)
         where b.state = 'Booked' and b.ends_at <= @Now - @LongStop and n.state in ('Accepted', 'Waitlisted', 'NoShow')
           and (b.bed_id is not null or n.priority <> 'Emergency')
         order by b.ends_at limit @Most)
        """;

    private async Task<bool> Look(CancellationToken ct)
    {
        List<Guid> due;
        await using (var connection = await database.OpenConnectionAsync(ct))
            due = [.. (await connection.QueryAsync<(Guid Id, DateTimeOffset Due)>(Due, new { Now = clock.GetUtcNow(), LongStop, Most })).Select(d => d.Id)];
        foreach (var id in due)
            await End(id, ct);
        return due.Count >= Most;
    }

    // one transaction for each: another instance, or a patient who comes at this moment, may be first
    private async Task End(Guid id, CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        var (need, booking) = await LockBooking.Of(change, id);
        if (WhatHappens(booking, need, change.Now, LongStop) is not { } state)
            return;
        await Line.Pass(change, [booking.Line]);
        await LetGo.Of(change, booking, state);
        if (state == BookingState.NoShow)
            await change.Say(SchedulingEvents.NoShow, need, booking.Facts);
        else if (state == BookingState.Cancelled)
            await change.Say(SchedulingEvents.BookingCancelled, need, booking.Facts with { By = "System" });
        await ServeLine.Serve(change, booking.Line);
        await change.Commit();
    }

    /// <summary>The decision alone: the state a booking ends in now, or null when it stays.</summary>
    public static BookingState? WhatHappens(Booking booking, Need need, DateTimeOffset now, TimeSpan longStop)
    {
        if (booking.State == BookingState.Held)
            return booking.HeldUntil <= now ? BookingState.Released : null;
        if (booking.State != BookingState.Booked || need.State is not (ReferralState.Accepted or ReferralState.Waitlisted or ReferralState.NoShow))
            return null;
        if (booking.EndsAt + longStop > now)
            return null;
        if (booking.BedId is not null)
            return BookingState.Cancelled;
        return need.Priority != Priority.Emergency ? BookingState.NoShow : null;
    }
}
