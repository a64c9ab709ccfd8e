using Dapper;
using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Needs;
using SchedulingService.Timers;
using SchedulingService.Waiting;

namespace SchedulingService.Slots;

/// <summary>
/// Whoever holds a slot or bed that was withdrawn gets the nearest other one inside his window and hears
/// <c>rescheduled</c>; where there is none he hears <c>booking-cancelled</c>, and the referral service asks again, with
/// his old turn in the line.
/// </summary>
internal sealed class MoveHolders(Changes changes)
{
    private sealed record Displaced(Booking Booking, string? Why);

    public Round Round => new("withdrawn", TimeSpan.FromSeconds(1), Look);

    // whom a withdrawal found being changed at that very moment
    private async Task<bool> Look(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        var lines = (await change.Connection.QueryAsync<(string Institution, string Department, string Resource)>("""
            select institution, department, resource from slot where withdrawn_at is not null and taken > 0
              and exists (select from booking b where b.slot_id = slot.id and b.state in ('Held', 'Booked'))
            union
            select w.institution, w.department, 'Bed'
            from bed d join ward w on w.id = d.ward_id join booking b on b.bed_id = d.id and b.state in ('Held', 'Booked')
            where d.withdrawn_at is not null
            limit 20
            """)).Select(l => Line.Of(l.Institution, l.Department, l.Resource)).Distinct().ToList();
        if (lines.Count == 0)
            return false;
        await Line.Pass(change, lines);
        foreach (var line in lines)
        {
            await Of(change, line);
            await ServeLine.Serve(change, line);
        }
        await change.Commit();
        return false;
    }

    /// <summary>The line was passed; whoever is being changed right now (skip locked) is found by the next round.</summary>
    public static async Task Of(Change change, Line line)
    {
        var found = await change.Connection.QueryAsync<Need, Booking, string?, (Need Need, Displaced Displaced)>($"""
            select {Prefixed("n", Need.Columns)}, {Prefixed("b", Booking.Columns)}, coalesce(s.withdrawn_reason, d.withdrawn_reason) as why
            from booking b
            join need n using (referral_id)
            left join slot s on s.id = b.slot_id
            left join bed d on d.id = b.bed_id
            left join ward w on w.id = d.ward_id
            where b.state in ('Held', 'Booked') and (s.withdrawn_at is not null or d.withdrawn_at is not null)
              and {(line.IsForBeds ? "w.institution = @Institution and b.bed_id is not null" : "s.line = @Name and s.withdrawn_at is not null and s.taken > 0")}
            order by n.since, b.id
            for update of n skip locked
            """, (need, booking, why) => (need, new(booking, why)), new { line.Name, line.Institution }, splitOn: "id,why");
        foreach (var (need, displaced) in found.ToList())
            await Move(change, need, displaced.Booking, new(displaced.Why ?? "OTHER", null));
    }

    private static async Task Move(Change change, Need need, Booking old, EndingReason reason)
    {
        if (old.State == BookingState.Held)
        {
            await LetGo.Of(change, old, BookingState.Released, reason, "Receiver");
            return;
        }
        if (await FindPlace.Nearest(change, need, old) is { } place)
        {
            await TakePlace.Instead(change, need, place, old, reason, "Receiver");
            return;
        }
        await LetGo.Of(change, old, BookingState.Cancelled, reason, "Receiver");
        await change.Say(SchedulingEvents.BookingCancelled, need, old.Facts with { Reason = reason.Code, By = "Receiver" });
    }

    private static string Prefixed(string table, string columns) =>
        string.Join(", ", columns.Split(',', StringSplitOptions.TrimEntries).Select(c => $"{table}.{c}"));
}
