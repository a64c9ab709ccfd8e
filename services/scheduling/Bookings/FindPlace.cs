using Dapper;
using SchedulingService.Needs;
using SchedulingService.Slots;

namespace SchedulingService.Bookings;

/// <summary>Another place for somebody who loses the one he has. His line was passed.</summary>
internal static class FindPlace
{
    /// <summary>The free place of the same line and inside his window that is nearest to the old hour; null when there is none.</summary>
    public static Task<Place?> Nearest(Change change, Need need, Booking old)
    {
        var window = need.Window;
        return change.Connection.QuerySingleOrDefaultAsync<Place?>(old.BedId is null ? Slot : Bed, new
        {
            need.ReferralId, line = old.Line.Name, old.Institution, old.StartsAt, change.Now, window.From, window.Until, TakePlace.BedIsKept,
        });
    }

    private const string Slot = $"""
        select s.id as slot_id, s.department, s.resource, s.clinician, s.starts_at, s.ends_at, {Fitting.PoolWeek} as pool_week
        from slot s, need n
        where n.referral_id = @ReferralId and s.line = @line and {Fitting.SlotHasRoom} and {Fitting.SlotIsFor}
          and s.starts_at >= greatest(@From, @Now) and s.starts_at <= case when @Until < @Now then 'infinity'::timestamptz else @Until end
          and not exists (select from booking b where b.referral_id = @ReferralId and b.slot_id = s.id)
        order by abs(extract(epoch from s.starts_at - @StartsAt)), s.id
        limit 1
        """;

    // the hour stays: only the bed is another one
    private const string Bed = $"""
        select b.id as bed_id, wd.department, {Fitting.BedResource} as resource,
               greatest(@StartsAt, @Now) as starts_at, greatest(@StartsAt, @Now) + @BedIsKept as ends_at
        from need n, ward wd
        join bed b on b.ward_id = wd.id
        where n.referral_id = @ReferralId and wd.institution = @Institution and b.withdrawn_at is null and {Fitting.WardSuits}
          and not exists (select from booking k
                          where k.bed_id = b.id and k.during && tstzrange(greatest(@StartsAt, @Now), null))
        order by wd.eligibility is null, wd.department is distinct from n.department, wd.name, b.label
        limit 1
        """;
}
