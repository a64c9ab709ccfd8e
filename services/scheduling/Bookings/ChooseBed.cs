using Dapper;
using SchedulingService.Needs;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>A bed that the ward's desk named for a referral: whether it can be had.</summary>
internal static class ChooseBed
{
    private const int MostAlternatives = 5;

    // the same beds that the line would give: a hand may choose among them and reaches no other
    private const string Fits = $"wd.institution = @Institution and b.withdrawn_at is null and {Fitting.WardSuits}";

    private const string IsTaken =
        "exists (select from booking k where k.bed_id = b.id and k.id is distinct from @instead and k.during && tstzrange(@startsAt, null))";

    private sealed record Chosen(Guid Id, string Department, string Resource, bool Taken);

    /// <summary>A bed that is free, as somebody may be offered it.</summary>
    private sealed record FreeBed(Guid Ward, string Name, string Bed);

    /// <summary>Passes the line, and the place, or 422 for a bed that the referral may not have, 409 with alternatives for one that is taken.</summary>
    /// <param name="instead">The booking that is given up for it.</param>
    public static async Task<(Place?, Problem?)> Find(Change change, Need need, Line line, Guid ward, string label, DateTimeOffset startsAt, Guid? instead)
    {
        if (!line.IsForBeds || startsAt < change.Now || startsAt > change.Now + TakePlace.FurthestAhead)
            return (null, SchedulingProblems.OtherPlace);
        await Line.Pass(change, [line]);
        var parameters = new { need.ReferralId, line.Institution, ward, label, startsAt, instead, MostAlternatives };
        var bed = await change.Connection.QuerySingleOrDefaultAsync<Chosen>($"""
            select b.id, wd.department, {Fitting.BedResource} as resource, {IsTaken} as taken
            from need n, ward wd
            join bed b on b.ward_id = wd.id
            where n.referral_id = @ReferralId and wd.id = @ward and b.label = @label and {Fits}
            """, parameters);
        if (bed is null)
            return (null, SchedulingProblems.OtherPlace);
        if (bed.Taken)
            return (null, new Problem(SchedulingProblems.BedTaken)
            {
                More = new Dictionary<string, object?>
                {
                    ["alternatives"] = (await change.Connection.QueryAsync<FreeBed>($"""
                        select wd.id as ward, wd.name, b.label as bed
                        from need n, ward wd
                        join bed b on b.ward_id = wd.id
                        where n.referral_id = @ReferralId and {Fits} and not {IsTaken}
                        order by wd.id is distinct from @ward, wd.eligibility is null, wd.name, b.label
                        limit @MostAlternatives
                        """, parameters)).AsList(),
                },
            });
        return (new()
        {
            BedId = bed.Id, Department = bed.Department, Resource = bed.Resource, StartsAt = startsAt, EndsAt = startsAt + TakePlace.BedIsKept,
        }, null);
    }
}
