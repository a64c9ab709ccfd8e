using Dapper;
using SchedulingService.Needs;
using SchedulingService.Waiting;

namespace SchedulingService.Slots;

/// <summary>What somebody is offered who wanted a slot that he cannot have.</summary>
internal static class Alternatives
{
    private const int Most = 5;

    /// <summary>Free slots of the line that this referral may have, those nearest to the wished hour first.</summary>
    public static async Task<IReadOnlyList<ListedSlot>> For(Change change, Need need, Line line, DateTimeOffset wish) =>
        (await change.Connection.QueryAsync<ListedSlot>($"""
            select s.id, s.institution, s.department, s.resource, s.clinician, s.starts_at, s.ends_at, s.capacity, s.capacity - s.taken as free
            from slot s, need n
            where n.referral_id = @ReferralId and s.line = @line and {Fitting.SlotHasRoom} and {Fitting.SlotIsFor} and s.starts_at > @Now
            order by abs(extract(epoch from s.starts_at - @wish)), s.id
            limit @Most
            """, new { need.ReferralId, line = line.Name, change.Now, wish, Most })).AsList();
}
