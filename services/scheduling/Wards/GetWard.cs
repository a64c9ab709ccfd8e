using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Sessions;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <summary>A ward as everybody may see it: whom it takes and who leads it, not who lies there.</summary>
internal sealed record WardDetail
{
    public required Guid Id { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Name { get; init; }
    /// <summary>The set a patient must belong to; the referral service says which diagnoses make a patient one of it.</summary>
    public string? Eligibility { get; init; }
    /// <summary>True where no referral names its set, so that nobody is given its beds: bind it with the set that was meant.</summary>
    public bool TakesNobody { get; init; }
    /// <summary>The hospital that runs it too; absent: a ward like any other.</summary>
    public string? Hospital { get; init; }
    public string? Director { get; init; }
    public string? HeadNurse { get; init; }
    public IReadOnlyList<PlannedRound> Rounds { get; init; } = [];
    public string? Place { get; init; }
    /// <summary>Labels of the beds in use.</summary>
    public IReadOnlyList<string> Beds { get; init; } = [];
    public required int Version { get; init; }
}

/// <summary>One ward.</summary>
internal static class GetWard
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/wards/{id:guid}", Get).Read<WardDetail>(
            "getWard", "Wards", "One ward with its beds and, of a rehab joint ward, its eligibility set, staff and weekly rounds.",
            """{"id":"5d0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b02","institution":"12210681DEM0001022","department":"21","name":"前阳康复联合病房","eligibility":"RehabJointWard","takesNobody":false,"hospital":"12210600DEM0000149","director":"dr-0001","headNurse":"nurse-0001","rounds":[{"weekday":2,"at":"09:00","clinician":"dr-0001"}],"beds":["01","02"],"version":2}""", 404);

    public sealed record Row
    {
        public required Guid Id { get; init; }
        public required string Institution { get; init; }
        public required string Department { get; init; }
        public required string Name { get; init; }
        public string? Eligibility { get; init; }
        public bool TakesNobody { get; init; }
        public string? Hospital { get; init; }
        public string? Director { get; init; }
        public string? HeadNurse { get; init; }
        public string? Place { get; init; }
        public int Version { get; init; }

        /// <summary>Those who work in it: the institution it stands in, and the hospital it is bound to.</summary>
        public bool IsParty(Caller caller) => caller.Institution == Institution || caller.Institution == Hospital;
    }

    private static async Task<IResult> Get(HttpContext http, Guid id, NpgsqlDataSource database)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        if (await Find(database, id) is not { } ward)
            return new ProblemResult(Problems.NotFound);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var beds = await connection.QueryAsync<string>("select label from bed where ward_id = @id and withdrawn_at is null order by label", new { id });
        return Reading.Send(http, new WardDetail
        {
            Id = ward.Id, Institution = ward.Institution, Department = ward.Department, Name = ward.Name, Eligibility = ward.Eligibility, TakesNobody = ward.TakesNobody,
            Hospital = ward.Hospital, Director = ward.Director, HeadNurse = ward.HeadNurse, Place = ward.Place,
            Beds = [.. beds], Rounds = await Rounds(connection, id), Version = ward.Version,
        });
    }

    public static async Task<Row?> Find(NpgsqlDataSource database, Guid id)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.QuerySingleOrDefaultAsync<Row>($"""
            select id, institution, department, name, eligibility, {EligibilitySets.TakesNobody} as takes_nobody,
                   hospital, director, head_nurse, place, version
            from ward wd where id = @id
            """, new { id });
    }

    public static async Task<IReadOnlyList<PlannedRound>> Rounds(NpgsqlConnection connection, Guid id) =>
        [.. (await connection.QueryAsync<(int Weekday, int AtMinute, string Clinician)>("""
            select weekday, at_minute, clinician from ward_round where ward_id = @id order by weekday, at_minute
            """, new { id })).Select(r => new PlannedRound(r.Weekday, Hours.Text(r.AtMinute), r.Clinician))];
}
