using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances;
using ReferralService.Alliances.Http;
using ReferralService.Alliances.Import;
using ReferralService.Alliances.Settings;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Matching;

/// <summary>A new version of what an alliance weighs differently; what it does not name keeps its default.</summary>
internal sealed record MatchWeightForm : ICommand
{
    public string? Alliance { get; init; }
    /// <summary>Now when absent; never earlier.</summary>
    public DateTimeOffset? From { get; init; }
    /// <summary>Points by the code of the reason, e.g. <c>DISTANCE</c>; -100 to 100.</summary>
    public Dictionary<string, int>? Weights { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Alliance, "/alliance", 40);
        checks.Time(From, "/from");
        MatchWeights.Check(checks, Weights, "/weights");
    }
}

/// <summary>What each reason is worth for an institution's candidates at a moment.</summary>
/// <param name="Alliance">Whose weights they are; absent where the defaults hold for a lone institution.</param>
internal sealed record EffectiveWeights(string? Alliance, IReadOnlyDictionary<string, int> Weights);

/// <summary>The weights of the matching over HTTP: what holds for an institution, and new versions from now on.</summary>
internal static class MatchWeightRoutes
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        var effective = new EffectiveWeights("al-county", new MatchWeights(new Dictionary<string, int> { ["DISTANCE"] = 25 }).All);
        routes.MapGet("/v1/match-weights", ([FromQuery] string? institution, [FromQuery] DateTimeOffset? at, HttpContext http, DirectoryDesk desk) => Effective(http, desk, institution, at))
            .Describe("getMatchWeights", "Matching", "What each reason is worth when candidates are ranked for an institution: its alliance's weights over the defaults.")
            .Produces<EffectiveWeights>().Refuses(400, 403, 404).Example(null, effective);
        routes.MapPost("/v1/match-weights", (HttpContext http, DirectoryDesk desk, Access access) => Publish(http, desk, access))
            .Describe("publishMatchWeights", "Matching", "What an alliance weighs differently, from now on or later; no improvement of a candidate may cost it points.",
                "Roles: AllianceOffice of the lead hospital, Operator. A version holds as a whole: what it does not name is the default again.")
            .Accepts<MatchWeightForm>("application/json").Produces<EffectiveWeights>(201).RefusesLikeACommand()
            .Example(new MatchWeightForm { Alliance = "al-county", Weights = new() { ["DISTANCE"] = 25 } }, effective);
    }

    private static IResult Effective(HttpContext http, DirectoryDesk desk, string? institution, DateTimeOffset? at)
    {
        var (caller, refused) = desk.Reader(http);
        if (caller is null)
            return refused!;
        var (code, moment) = (institution ?? caller.Institution, at ?? desk.Now);
        if (desk.Alliance.Find(code)?.Code != code)
            return new ProblemResult(Problems.NotFound);
        var home = desk.Alliance.HomeOf(code, null, ChinaTime.DayOf(moment));
        return TypedResults.Ok(new EffectiveWeights(home, desk.Alliance.MatchWeights.Of(home, moment).All));
    }

    private static async Task<IResult> Publish(HttpContext http, DirectoryDesk desk, Access access)
    {
        var (caller, form, key, refused) = await Once.Read<MatchWeightForm>(http);
        if (refused is not null)
            return refused;
        if (!await SettingRoutes.May(caller!, form!.Alliance!, "publish-match-weights", desk, access))
            return new ProblemResult(Problems.Forbidden);
        return await desk.Once<EffectiveWeights>(key!, async (connection, _) =>
        {
            var now = desk.Now;
            if (form.From < now)
                return (Problem)DirectoryProblems.NotYet;
            await connection.ExecuteAsync("""
                insert into match_setting (id, alliance, since, weights, written_by) values (@id, @Alliance, @from, @weights::jsonb, @by)
                """, new { id = Guid.CreateVersion7(now), form.Alliance, from = form.From ?? now, weights = JsonSerializer.Serialize(form.Weights), by = caller!.Scope });
            await desk.Audit(connection, caller, "publish-match-weights", form.Alliance!);
            await ImportAlliance.Changed(connection);
            return new Reply<EffectiveWeights>(new(form.Alliance, new MatchWeights(form.Weights!).All), null, 201);
        });
    }
}
