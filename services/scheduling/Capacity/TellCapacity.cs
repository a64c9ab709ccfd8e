using System.Text.Json;
using Dapper;
using Referrals.Contracts;
using SchedulingService.Slots;
using SchedulingService.Timers;
using SchedulingService.Waiting;
using SchedulingService.Wards;
using ServiceDefaults;

namespace SchedulingService.Capacity;

/// <summary>
/// Says <c>scheduling.capacity-changed</c>: what is free of one kind of place in one department, by day. Many changes
/// become one event; what is said is what stands when it is said, and of two events the one with the later
/// <c>time</c> is the truth. No change is lost: its mark goes in the transaction that tells it.
/// </summary>
internal sealed class TellCapacity(Changes changes, IConfiguration configuration)
{
    /// <summary>How far ahead it is told.</summary>
    public const int Days = 28;
    private const int Most = 1000;

    // hours pass, too: what is told of today is looked at again when a free slot has begun, all of it twice a day
    private static readonly TimeSpan Stale = TimeSpan.FromMinutes(10), Old = TimeSpan.FromHours(12);

    public Round Round => new("capacity", configuration.GetValue("Capacity:TellEvery", TimeSpan.FromSeconds(1)), Look);

    private sealed record Kind(string Institution, string Department, string Resource);

    private sealed record FreeOfKind(string Institution, string Department, string Resource, DateOnly On, int Count);

    private sealed record Told(string Institution, string Department, string Resource, DateTimeOffset ToldAt, string Free);

    private const string Marked = """
        with gone as (
            delete from capacity_change where id in (select id from capacity_change order by id limit @Most)
            returning institution, department, resource
        )
        select distinct institution, department, resource from gone
        """;

    private const string OutOfDate = """
        select institution, department, resource
        from capacity_told t
        where looked_at < @Now - @Old
           or looked_at < @Now - @Stale and exists (
                select from slot s
                where s.institution = t.institution and s.department = t.department and s.resource = t.resource
                  and s.starts_at >= t.looked_at and s.starts_at < @Now and s.taken < s.capacity and s.withdrawn_at is null)
        order by looked_at
        limit @Most
        """;

    // read after the marks went: whoever changes something from here on leaves a new one
    private const string Free = $"""
        select k.institution, k.department, k.resource,
               (s.starts_at at time zone 'Asia/Shanghai')::date as "on", sum(s.capacity - s.taken)::int as count
        from unnest(@institutions, @departments, @resources, @lines) k (institution, department, resource, line)
        join slot s on s.line = k.line and s.department = k.department and s.resource = k.resource
        where s.taken < s.capacity and s.withdrawn_at is null and (s.reserved_for is null or s.opened_at is not null)
          and s.starts_at >= @Now and s.starts_at < @Now + @Ahead
        group by 1, 2, 3, 4
        union all
        -- nobody knows when a bed becomes free: those that are free now stand under today
        select k.institution, k.department, k.resource, (@Now at time zone 'Asia/Shanghai')::date, count(*)::int
        from unnest(@institutions, @departments, @resources) k (institution, department, resource)
        join ward wd on wd.institution = k.institution and wd.department = k.department
                   and k.resource = {Fitting.WardResource}
        join bed b on b.ward_id = wd.id and b.withdrawn_at is null
        where not ({EligibilitySets.TakesNobody})
          and not exists (select from booking x where x.bed_id = b.id and x.during && tstzrange(@Now, null))
        group by 1, 2, 3
        order by 1, 2, 3, 4
        """;

    private const string Remember = """
        insert into capacity_told (institution, department, resource, told_at, looked_at, free)
        select institution, department, resource, told_at, @Now, free
        from unnest(@institutions, @departments, @resources, @toldAt, @free) as new (institution, department, resource, told_at, free)
        on conflict (institution, department, resource) do update set
            told_at = excluded.told_at, looked_at = excluded.looked_at, free = excluded.free
        """;

    private async Task<bool> Look(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        // one teller at a time: so the later event is the newer truth
        if (!await change.Connection.QuerySingleAsync<bool>("select pg_try_advisory_xact_lock(hashtextextended('tell capacity', 0))"))
            return false;
        var marked = (await change.Connection.QueryAsync<Kind>(Marked, new { Most })).AsList();
        var kinds = marked.Union(await change.Connection.QueryAsync<Kind>(OutOfDate, new { change.Now, Old, Stale, Most })).ToList();
        if (kinds.Count == 0)
            return false;

        var of = new
        {
            institutions = kinds.Select(k => k.Institution).ToArray(),
            departments = kinds.Select(k => k.Department).ToArray(),
            resources = kinds.Select(k => k.Resource).ToArray(),
            lines = kinds.Select(k => Line.Of(k.Institution, k.Department, k.Resource).Name).ToArray(),
            change.Now, Ahead = TimeSpan.FromDays(Days),
        };
        var free = (await change.Connection.QueryAsync<FreeOfKind>(Free, of)).ToLookup(f => new Kind(f.Institution, f.Department, f.Resource));
        var told = (await change.Connection.QueryAsync<Told>("""
            select institution, department, resource, told_at, free
            from capacity_told
            where (institution, department, resource) in (select * from unnest(@institutions, @departments, @resources))
            """, of)).ToDictionary(t => new Kind(t.Institution, t.Department, t.Resource));
        var toldAt = new List<DateTime>(kinds.Count);
        var texts = new List<string>(kinds.Count);
        foreach (var kind in kinds)
        {
            var places = free[kind].Select(f => new FreePlaces(f.On, f.Count)).ToList();
            var text = JsonSerializer.Serialize(places, Json.Lenient);
            var last = told.GetValueOrDefault(kind);
            var at = last is null || last.ToldAt < change.Now ? change.Now : last.ToldAt.AddMilliseconds(1);
            if (text == last?.Free)
                at = last.ToldAt;
            else
                change.Say(SchedulingEvents.CapacityChanged, kind.Institution, at, new()
                {
                    Institution = kind.Institution, Department = kind.Department, Resource = kind.Resource, Free = places,
                });
            toldAt.Add(at.UtcDateTime);
            texts.Add(text);
        }
        await change.Connection.ExecuteAsync(Remember, new
        {
            of.institutions, of.departments, of.resources, toldAt = toldAt.ToArray(), free = texts.ToArray(), change.Now,
        });
        await change.Commit();
        return marked.Count == Most;
    }
}
