using ServiceDefaults.Http;

namespace ReferralService.Indicators;

/// <summary>What one figure is worth: nothing at <paramref name="From"/>, all its points at <paramref name="To"/>, in proportion between.</summary>
/// <param name="Indicator">Code of the indicator, e.g. <c>first-contact</c>.</param>
/// <param name="From">May lie above <paramref name="To"/>: fewer is better then.</param>
internal sealed record Weight(string Indicator, string Figure, decimal Points, decimal From, decimal To)
{
    /// <summary>Points for this value; null where nothing was counted.</summary>
    public decimal? For(decimal? value) => value is not { } v ? null
        : Math.Round(Points * Math.Clamp((v - From) / (To - From), 0, 1), 1, MidpointRounding.AwayFromZero);
}

/// <summary>A thousand-point scheme (千分制) as the alliance has set it; ours is a start. Money is no part of it.</summary>
internal sealed class Scheme
{
    /// <summary>200 of 1000 for first contact, as the strategy paper has it; the rest is a proposal.</summary>
    private static readonly Weight[] Start =
    [
        new("first-contact", "share", 200, 0.3m, 0.7m),
        new("turnaround", "median", 150, 3 * 86400, 4 * 3600),
        new("loop-closure", "acceptedWithin48Hours", 150, 0.2m, 0.8m),
        new("down-gap", "share", 100, 0.5m, 0.05m),
        new("follow-up", "followed", 100, 0.5m, 0.95m),
        new("refusals", "suspectedShare", 100, 0.1m, 0),
        new("satisfaction", "mean", 100, 3, 4.6m),
        new("no-indication", "share", 50, 0.2m, 0.02m),
        new("emergency", "acknowledgeP90", 50, 3600, 900),
    ];

    public IReadOnlyList<Weight> Weights { get; }

    public Scheme(IConfiguration configuration)
    {
        Weights = configuration.GetSection("Indicators:Scheme").Get<Weight[]>() is { Length: > 0 } own ? own : Start;
        foreach (var weight in Weights)
        {
            if (Definitions.All.FirstOrDefault(d => d.Code == weight.Indicator) is not { } known || known.Figures.All(f => f.Name != weight.Figure))
                throw new InvalidOperationException($"Indicators:Scheme names {weight.Indicator}/{weight.Figure}: there is no such figure.");
            if (weight.Points <= 0 || weight.From == weight.To)
                throw new InvalidOperationException($"Indicators:Scheme, {weight.Indicator}/{weight.Figure}: points above 0, and From and To apart.");
        }
    }
}

/// <summary>The points of an institution or an alliance.</summary>
internal sealed class GetScore(CountMeasures count, Reach reach, Scheme scheme)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/indicators/score", ([AsParameters] ReportFilter filter, HttpContext http, GetScore get) => get.Handle(http, filter))
        .Describe("getScore", "Indicators", "Points by the alliance's scheme (千分制): what each figure is worth, and what it earned.",
            "Weights are a setting. A figure that nothing was counted for earns nothing and takes its points off the total: 'points' of 'of'.")
        .Produces<Score>().Refuses(400, 403, 404);

    private async Task<IResult> Handle(HttpContext http, ReportFilter filter)
    {
        var (question, _, refused) = await reach.Of(http, filter, "score");
        if (refused is not null)
            return new ProblemResult(refused);
        var (counted, asOf) = await count.Run(question!, http.RequestAborted);
        var tally = counted.Whole;
        var items = scheme.Weights.Select(w =>
        {
            var value = Definitions.All.First(d => d.Code == w.Indicator).Figures.First(f => f.Name == w.Figure).Of(tally);
            return new ScoreItem(w.Indicator, w.Figure, value, w.From, w.To, w.Points, w.For(value));
        }).ToArray();
        return TypedResults.Ok(new Score(question!.From, question.To, asOf, items.Sum(i => i.Earned ?? 0), items.Where(i => i.Earned is not null).Sum(i => i.Points), items));
    }
}

/// <param name="Of">Points that could be earned with what was counted.</param>
internal sealed record Score(DateOnly From, DateOnly To, DateTimeOffset AsOf, decimal Points, decimal Of, IReadOnlyList<ScoreItem> Items);

internal sealed record ScoreItem(string Indicator, string Figure, decimal? Value, decimal From, decimal To, decimal Points, decimal? Earned);
