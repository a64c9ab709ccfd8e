using Dapper;
using Npgsql;
using SchedulingService.Needs;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>A slot that a person chose for a referral: whether it can be had.</summary>
internal static class ChooseSlot
{
    private sealed record Chosen(Guid Id, string Department, string Resource, string? Clinician, DateTimeOffset StartsAt, DateTimeOffset EndsAt,
        int Capacity, int Overbook, int Taken, bool IsFor, bool Reserved, DateTimeOffset? OpensAt, DateOnly? PoolWeek);

    /// <summary>
    /// Passes the line, and the place, or 422 for a slot of another kind, 409 with alternatives for one that is full or
    /// reserved for others.
    /// </summary>
    public static async Task<(Place?, Problem?)> Find(Change change, Need need, Line line, Guid slotId, bool beyondCapacity)
    {
        if (await Hopeless(change.Connection, change.Now, need.ReferralId, line, slotId, beyondCapacity) is { } hopeless)
            return (null, hopeless);
        await Line.Pass(change, [line]);
        return await Look(change.Connection, change.Now, need.ReferralId, line, slotId, beyondCapacity);
    }

    /// <summary>
    /// Why it cannot be had at this moment; null when there is hope. In a crowd at one slot, who comes when it is full
    /// need not stand in the line to learn it.
    /// </summary>
    public static async Task<Problem?> Hopeless(NpgsqlConnection connection, DateTimeOffset now, Guid referralId, Line line, Guid slotId, bool beyondCapacity) =>
        (await Look(connection, now, referralId, line, slotId, beyondCapacity)).Item2;

    private static async Task<(Place?, Problem?)> Look(
        NpgsqlConnection connection, DateTimeOffset now, Guid referralId, Line line, Guid slotId, bool beyondCapacity)
    {
        var slot = await connection.QuerySingleOrDefaultAsync<Chosen>($"""
            select s.id, s.department, s.resource, s.clinician, s.starts_at, s.ends_at, s.capacity, s.overbook, s.taken,
                   {Fitting.SlotIsFor} as is_for, s.reserved_for is not null and s.opened_at is null as reserved, s.opens_at,
                   {Fitting.PoolWeek} as pool_week
            from slot s, need n
            where s.id = @slotId and n.referral_id = @referralId and s.line = @line and s.starts_at > @now and s.withdrawn_at is null
            """, new { slotId, referralId, line = line.Name, now });
        if (slot is null)
            return (null, SchedulingProblems.OtherPlace);
        var full = slot.Taken >= slot.Capacity + (beyondCapacity ? slot.Overbook : 0);
        if (full || !slot.IsFor)
            return (null, new Problem(full ? SchedulingProblems.SlotTaken : SchedulingProblems.SlotReserved)
            {
                More = new Dictionary<string, object?>
                {
                    ["alternatives"] = await Alternatives.For(connection, now, referralId, line, slot.StartsAt),
                    ["opensAt"] = full ? null : slot.OpensAt,
                },
            });
        return (new()
        {
            SlotId = slot.Id, Department = slot.Department, Resource = slot.Resource, Clinician = slot.Clinician,
            StartsAt = slot.StartsAt, EndsAt = slot.EndsAt, PoolWeek = slot.PoolWeek,
        }, null);
    }
}
