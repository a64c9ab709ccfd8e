using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Rules;

/// <summary>The packs in force as checklists, and the next version of one.</summary>
internal static class PublishRules
{
    /// <summary>Who keeps the alliance's rules.</summary>
    private static readonly Role[] Keepers = [Role.AllianceOffice, Role.Operator];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/rules", List)
            .Describe("listRules", "Rules", "The rule packs in force on a day, each a checklist of its indications up and down.")
            .Produces<RulePacks>().Refuses(400, 403);
        routes.MapGet("/v1/rules/{id}", Get)
            .Describe("getRule", "Rules", "One rule pack as it is in force on a day.")
            .Produces<RulePack>().Refuses(400, 403, 404);
        routes.MapPost("/v1/rules/{id}", Publish)
            .Accepts<RulePack>("application/json")
            .Describe("publishRule", "Rules", "The next version of a rule pack, from a day that has not begun; what held before stays as it was.",
                "Roles: AllianceOffice, Operator. The version in force on a day is the one that began last.")
            .Produces<PublishedRule>(201).RefusesLikeACommand()
            .Example(RulePack.Example with { Since = new(2027, 1, 1) }, new PublishedRule("upper-respiratory-infection", 2, new(2027, 1, 1)));
    }

    private static IResult List([FromQuery] DateOnly? on, [FromQuery] string? diagnosis, HttpContext http, AllianceDirectory directory, TimeProvider clock)
    {
        if (Caller.Of(http).Problem is { } incomplete)
            return new ProblemResult(incomplete);
        var (rules, day) = (directory.Current.Rules, on ?? ChinaTime.DayOf(clock.GetUtcNow()));
        return TypedResults.Ok(new RulePacks(day, [.. string.IsNullOrEmpty(diagnosis) ? rules.On(day) : rules.Covering(diagnosis, day)]));
    }

    private static IResult Get(string id, [FromQuery] DateOnly? on, HttpContext http, AllianceDirectory directory, TimeProvider clock)
    {
        if (Caller.Of(http).Problem is { } incomplete)
            return new ProblemResult(incomplete);
        return directory.Current.Rules.Find(id, on ?? ChinaTime.DayOf(clock.GetUtcNow())) is { } pack
            ? TypedResults.Ok(pack) : new ProblemResult(Problems.NotFound);
    }

    private static async Task<IResult> Publish(string id, HttpContext http, Once once, AllianceDirectory directory)
    {
        var (caller, body, key, refused) = await Once.Read<RulePack>(http);
        if (refused is not null)
            return refused;
        if (!Keepers.Contains(caller!.Role))
            return new ProblemResult(Problems.Forbidden);
        if (!IsName(id))
            return new ProblemResult(Refusals.Rule("id", "2 to 40 of a-z, 0-9 and -, beginning with a letter.", "2 至 40 位小写字母、数字或连字符，以字母开头。"));
        var result = await once.Run<PublishedRule>(key!, async (connection, transaction) =>
        {
            if (body!.Since <= ChinaTime.DayOf(once.Now))
                return Refusals.Rule("/since", "From tomorrow at the earliest: nothing is judged afterwards by rules that did not hold.", "最早自次日起生效，不追溯既往。");
            return await RuleTables.Publish(connection, transaction, id, body, caller.Subject, once.Now) is { } version
                ? new Reply<PublishedRule>(new(id, version, body.Since!.Value), null, 201)
                : Refusals.Rule("/since", "A version that begins on this day or later stands already.", "已有同日或更晚生效的版本。");
        }, rule => $"/v1/rules/{rule.Id}");
        await directory.Refresh();
        return result;
    }

    internal static bool IsName(string id) =>
        id.Length is >= 2 and <= 40 && char.IsAsciiLetterLower(id[0]) && id != "evaluate"
        && id.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c == '-');
}

/// <summary>The packs of a day.</summary>
internal sealed record RulePacks(DateOnly On, IReadOnlyList<RulePack> Items);

/// <summary>A version that was added.</summary>
internal sealed record PublishedRule(string Id, int Version, DateOnly Since);
