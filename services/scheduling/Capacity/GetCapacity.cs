using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Slots;
using SchedulingService.Wards;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Capacity;

/// <summary>Free places of one kind on one day, or in the week from that Monday on (Asia/Shanghai).</summary>
internal sealed record FreeOnDay
{
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public required DateOnly On { get; init; }
    public required int Free { get; init; }
    /// <summary>Further free places, reserved for patients with a family-doctor contract.</summary>
    public required int Reserved { get; init; }
    public required int Capacity { get; init; }
}

/// <summary>Beds of a department that nobody has now.</summary>
internal sealed record FreeBeds
{
    public required string Department { get; init; }
    /// <summary>The set a patient must belong to, e.g. RehabJointWard; absent: open to everybody. Beds for a set that no referral names are not free for anybody.</summary>
    public string? Eligibility { get; init; }
    public required int Free { get; init; }
    public required int Beds { get; init; }
}

/// <summary>What an institution can take, by day; the basis of a choice before anything is asked.</summary>
internal sealed record InstitutionCapacity(string Institution, DateOnly From, DateOnly To, IReadOnlyList<FreeOnDay> Days, IReadOnlyList<FreeBeds> Beds);

/// <summary>Free places of an institution, without any patient's data.</summary>
internal static class GetCapacity
{
    private const int MostDays = 92;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/capacity", Get).Read<InstitutionCapacity>(
            "getCapacity", "Capacity", "Free slots by day, or by=week, and free beds of an institution, of one department or resource where they are named; of your own institution when none is.",
            """{"institution":"12210600DEM0000149","from":"2026-12-01","to":"2026-12-14","days":[{"department":"03.03","resource":"Slot","on":"2026-12-01","free":3,"reserved":0,"capacity":4}],"beds":[{"department":"03.03","free":2,"beds":12}]}""");

    private const string Select = $"""
        select department, resource, date_trunc(@by, starts_at at time zone 'Asia/Shanghai')::date as "on",
               coalesce(sum(greatest(capacity - taken, 0)) filter (where reserved_for is null or opened_at is not null), 0)::int as free,
               coalesce(sum(greatest(capacity - taken, 0)) filter (where reserved_for is not null and opened_at is null), 0)::int as reserved,
               sum(capacity)::int as capacity
        from slot
        where institution = @institution and withdrawn_at is null
          and starts_at >= greatest(@Now, @first::date::timestamp at time zone 'Asia/Shanghai')
          and starts_at < (@last::date + 1)::timestamp at time zone 'Asia/Shanghai'
          and (@department::text is null or department = @department) and (@resource::text is null or resource = @resource)
        group by 1, 2, 3
        order by 3, 1, 2;

        select wd.department, wd.eligibility, count(*)::int as beds,
               count(*) filter (where not ({EligibilitySets.TakesNobody}) and not exists (
                   select from booking k where k.bed_id = b.id and k.during && tstzrange(@Now, null)))::int as free
        from ward wd
        join bed b on b.ward_id = wd.id and b.withdrawn_at is null
        where wd.institution = @institution and (@department::text is null or wd.department = @department)
          -- as they are told: those of a joint ward are resource Ward
          and (@resource::text is null or @resource = {Fitting.WardResource})
        group by 1, 2
        order by 1, 2
        """;

    private static async Task<IResult> Get(HttpContext http, NpgsqlDataSource database, TimeProvider clock,
        string? institution, string? department, string? resource, string? by, string? from, string? to)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        Reading.Code(department, "department", checks);
        checks.That(resource is null || Resources.All.Contains(resource), "resource",
            "One of Slot, Bed, Equipment, Reading, Session, Ward, Visit.", "取值为 Slot、Bed、Equipment、Reading、Session、Ward、Visit。");
        checks.That(by is null or "day" or "week", "by", "day or week.", "取值为 day 或 week。");
        var now = clock.GetUtcNow();
        var first = Reading.Day(from, "from", DateOnly.FromDateTime(now.ToOffset(TimeSpan.FromHours(8)).DateTime), checks);
        var last = Reading.Day(to, "to", first.AddDays(13), checks);
        checks.That(last >= first && last.DayNumber - first.DayNumber < MostDays, "to",
            $"Not before 'from', and at most {MostDays} days in all.", $"不得早于 from，且最多 {MostDays} 天。");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);

        institution ??= caller.Institution;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        await using var rows = await connection.QueryMultipleAsync(Select, new { institution, department, resource, by = by ?? "day", first, last, Now = now });
        var days = (await rows.ReadAsync<FreeOnDay>()).AsList();
        var beds = (await rows.ReadAsync<FreeBeds>()).AsList();
        return Reading.Send(http, new InstitutionCapacity(institution, first, last, days, beds));
    }
}
