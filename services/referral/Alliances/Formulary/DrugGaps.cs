using Dapper;
using Npgsql;
using ReferralService.Alliances.Http;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Formulary;

/// <summary>Which of these medicines does that institution not have? Names nobody.</summary>
internal sealed record FindDrugGaps(string? Institution, string[]? Drugs) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(Institution, "/institution", 100);
        checks.That(Drugs is { Length: >= 1 and <= 40 }, "/drugs", "1 to 40.", "1 至 40 种。");
        for (var i = 0; i < Math.Min(40, Drugs?.Length ?? 0); i++)
            checks.Text(Drugs![i], $"/drugs/{i}", 200);
    }
}

/// <param name="Known">False: the institution has said nothing of its medicines, so no gap can be seen.</param>
/// <param name="Missing">What it does not have, in the order it was asked.</param>
internal sealed record DrugGapsAnswer(string Institution, bool Known, IReadOnlyList<string> Missing);

/// <summary>
/// Medicines of a hospital's prescription that the receiver below does not have: seen before the patient is sent, and
/// flagged on the return, instead of heard as MEDICATION_SHORTAGE afterwards.
/// </summary>
internal sealed class DrugGaps(NpgsqlDataSource database, DirectoryDesk desk)
{
    /// <summary>Flag of a return whose receiver lacks something of the prescription.</summary>
    public const string Flag = "DRUG_GAP";

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/formulary/gaps", (HttpContext http, DrugGaps gaps) => gaps.Find(http))
        .Accepts<FindDrugGaps>("application/json")
        .Describe("findDrugGaps", "Directory", "Which medicines of a prescription the receiver does not have, asked before the patient goes back.")
        .Produces<DrugGapsAnswer>().Refuses(400, 403, 408, 413, 415, 422)
        .Example(new FindDrugGaps("12210681DEM0001022", ["阿司匹林肠溶片 100mg", "替格瑞洛片 90mg"]), new DrugGapsAnswer("12210681DEM0001022", true, ["替格瑞洛片 90mg"]));

    private async Task<IResult> Find(HttpContext http)
    {
        var (caller, refused) = desk.Reader(http);
        if (caller is null)
            return refused!;
        var (body, malformed, _) = await RequestBody.Read<FindDrugGaps>(http);
        if (malformed is not null)
            return new ProblemResult(malformed);
        var checks = new Checks();
        body!.Check(checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (desk.Alliance.Find(DirectoryDesk.Storable(body.Institution!))?.Code is not { } institution)
            return new ProblemResult(Refusals.Rule("/institution", "No such institution; use its code or exact name.", "未找到该机构，请使用机构代码或准确全称。"));
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var missing = await Missing(connection, institution, [.. body.Drugs!.Select(DirectoryDesk.Storable)]);
        return TypedResults.Ok(new DrugGapsAnswer(institution, missing is not null, missing ?? []));
    }

    /// <summary>Null where the institution has no formulary here: then nothing can be said.</summary>
    public static async Task<IReadOnlyList<string>?> Missing(NpgsqlConnection connection, string institution, IReadOnlyList<string> drugs)
    {
        var known = (await connection.QueryAsync<(string Drug, bool Asked)>("""
            select drug, true from formulary where institution = @institution and available and drug = any(@drugs)
            union all
            (select '', false from formulary where institution = @institution limit 1)
            """, new { institution, drugs = drugs.ToArray() })).AsList();
        return known.Count == 0 ? null : [.. drugs.Distinct().Except(known.Where(k => k.Asked).Select(k => k.Drug))];
    }
}
