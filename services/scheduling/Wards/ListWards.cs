using Dapper;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <summary>A ward and how full it is; not who lies there.</summary>
internal sealed record ListedWard
{
    public required Guid Id { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Name { get; init; }
    public string? Eligibility { get; init; }
    /// <summary>True where no referral names its set, so that nobody is given its beds: bind it with the set that was meant.</summary>
    public bool TakesNobody { get; init; }
    public required int Beds { get; init; }
    /// <summary>Beds that nobody has, now or later.</summary>
    public required int Free { get; init; }
    /// <summary>Beds a patient lies in.</summary>
    public required int Occupied { get; init; }
}

/// <summary>Wards of any institution.</summary>
internal static class ListWards
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/wards", List).Read<Page<ListedWard>>(
            "listWards", "Wards", "Wards of an institution with their free beds; of your own when none is named.",
            """{"items":[{"id":"5d0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b02","institution":"12210681DEM0001022","department":"21","name":"前阳康复联合病房","eligibility":"RehabJointWard","takesNobody":false,"beds":8,"free":5,"occupied":2}]}""");

    private const string Select = $"""
        select wd.id, wd.institution, wd.department, wd.name, wd.eligibility, {EligibilitySets.TakesNobody} as takes_nobody, count(b.id)::int as beds,
               (count(b.id) filter (where k.id is null))::int as free,
               (count(b.id) filter (where k.state = 'Used'))::int as occupied
        from ward wd
        left join bed b on b.ward_id = wd.id and b.withdrawn_at is null
        -- a bed has one booking at a time, so this doubles no row
        left join booking k on k.bed_id = b.id and k.state in ('Held', 'Booked', 'Used')
        where wd.institution = @institution and (wd.name, wd.id) > (@afterName, @afterId)
        group by wd.id
        order by wd.name, wd.id
        limit @rows
        """;

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, Cursors cursors,
        string? institution, string? limit, string? cursor)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        var rows = Reading.Limit(limit, checks);
        var list = $"wards?{institution}";
        var (afterName, afterId) = ("", Guid.Empty);
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor) is { } position)
                (afterId, afterName) = (Guid.Parse(position[..36]), position[36..]);
            else
                checks.Add("cursor", "This cursor is not one of this list.", "该游标不属于此列表。");
        }
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var wards = (await connection.QueryAsync<ListedWard>(Select, new
        {
            institution = institution ?? caller.Institution, afterName, afterId, rows = rows + 1,
        })).AsList();
        return Reading.SendPage(http, wards, rows, w => cursors.Seal(list, w.Id + w.Name));
    }
}
