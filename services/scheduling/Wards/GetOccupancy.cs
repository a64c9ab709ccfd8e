using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Sessions;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <summary>How full a ward was, or by what is known today will be, on one day (Asia/Shanghai).</summary>
internal sealed record OccupancyOfDay
{
    public required DateOnly On { get; init; }
    public required int Beds { get; init; }
    /// <summary>Beds a patient lies in on that day.</summary>
    public required int Occupied { get; init; }
    /// <summary>Beds kept for somebody who has not come.</summary>
    public required int Kept { get; init; }
    public required int Free { get; init; }
    public required int CameIn { get; init; }
    public required int Left { get; init; }
}

/// <summary>The daily view of a ward (床位使用情况), for the institution it stands in and the hospital it is bound to. Counts only.</summary>
internal static class GetOccupancy
{
    private const int MostDays = 92;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/wards/{id:guid}/occupancy", Get).Read<Page<OccupancyOfDay>>(
            "getOccupancy", "Wards", "How full a ward is by day: occupied, kept, free, came in, left.",
            """{"items":[{"on":"2026-12-01","beds":8,"occupied":5,"kept":1,"free":2,"cameIn":1,"left":0}]}""", 404);

    // A bed that was lain in keeps its time when the stay ends; one that was only kept becomes empty: so what is not
    // Booked and not empty was a stay.
    private const string Select = """
        with day as (
            select d::date as "on", d::date::timestamp at time zone 'Asia/Shanghai' as begins,
                   (d::date + 1)::timestamp at time zone 'Asia/Shanghai' as ends
            from generate_series(@first::date::timestamp, @last::date::timestamp, interval '1 day') d
        ), taken as (
            select b.id as bed_id, k.during, k.state in ('Held', 'Booked') as kept
            from bed b join booking k on k.bed_id = b.id
            where b.ward_id = @id and not isempty(k.during)
        )
        select c.*, c.beds - c.occupied - c.kept as free
        from (
            select day."on",
                   (select count(*) from bed where ward_id = @id and (withdrawn_at is null or withdrawn_at > day.begins))::int as beds,
                   (count(distinct bed_id) filter (where not kept and during && tstzrange(day.begins, day.ends)))::int as occupied,
                   (count(distinct bed_id) filter (where kept and during && tstzrange(day.begins, day.ends)
                        and not exists (select from taken o where o.bed_id = taken.bed_id and not o.kept and o.during && tstzrange(day.begins, day.ends))))::int as kept,
                   (count(*) filter (where not kept and lower(during) >= day.begins and lower(during) < day.ends))::int as came_in,
                   (count(*) filter (where not kept and upper(during) >= day.begins and upper(during) < day.ends))::int as left
            from day left join taken on true
            group by day."on", day.begins, day.ends
        ) c
        order by c."on"
        """;

    private static async Task<IResult> Get(HttpContext http, Guid id, NpgsqlDataSource database, TimeProvider clock, string? from, string? to)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        var (first, last) = MakeRounds.Days(checks, from, to, Hours.Day(clock.GetUtcNow()).AddDays(-6), MostDays);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (await GetWard.Find(database, id) is not { } ward || !ward.IsParty(caller))
            return await Roles.NoParty(database, clock, caller, "ward.occupancy", id.ToString());
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        return Reading.Send(http, new Page<OccupancyOfDay>((await connection.QueryAsync<OccupancyOfDay>(Select, new { id, first, last })).AsList()));
    }
}
