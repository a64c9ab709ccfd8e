using System.Collections.Concurrent;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances;
using ServiceDefaults.Http;

namespace ReferralService.Indicators;

/// <summary>
/// What is open to everybody: the figures of each alliance in the quarters that are over. A figure that speaks of fewer
/// than k referrals is left out, and a quarter is told only once it cannot grow: nobody can be found by subtraction
/// from day to day.
/// </summary>
internal sealed class OpenExport(CountMeasures count, AllianceDirectory directory, IConfiguration configuration, TimeProvider clock)
{
    private readonly ConcurrentDictionary<int, (DateOnly On, IReadOnlyList<OpenFigure> Rows)> _counted = new();

    /// <summary>Fewest referrals a public figure may speak of.</summary>
    private readonly int _k = configuration.GetValue("Indicators:PublicK", 10);

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/open/indicators", ([FromQuery] int? year, [FromQuery] string? format, HttpContext http, OpenExport export) => export.Handle(http, year, format))
        .AllowAnonymous()
        .Describe("exportIndicators", "Indicators", "Open figures of every alliance by quarter, k-anonymous, as JSON or CSV.",
            "Needs no token. A figure that speaks of at least one and fewer than k referrals is null; quarters count 30 days after they end.")
        .Produces<OpenFigures>(200, "application/json", "text/csv")
        .Produces<ProblemBody>(400, "application/problem+json").Produces<ProblemBody>(429, "application/problem+json").Produces<ProblemBody>(503, "application/problem+json");

    private async Task<IResult> Handle(HttpContext http, int? year, string? format)
    {
        var today = ChinaTime.DayOf(clock.GetUtcNow());
        if (year is < 2020 or > 2100)
            return new ProblemResult(Problems.Bad("year", "2020 to 2100.", "2020 至 2100。"));
        if (CsvText.Wanted(http.Request, format) is not { } csv)
            return new ProblemResult(Problems.Bad("format", "json or csv.", "应为 json 或 csv。"));
        var rows = await Rows(year ?? today.Year, today, http.RequestAborted);
        http.Response.Headers.CacheControl = "public, max-age=3600";
        return csv
            ? CsvText.Answer("open-indicators.csv", rows.Select(object?[] (r) => [r.Alliance, r.From, r.To, r.No, r.Indicator, r.Figure, r.Unit, r.Value, r.TooFew])
                .Prepend(["alliance", "from", "to", "no", "indicator", "figure", "unit", "value", "tooFew"]))
            : TypedResults.Ok(new OpenFigures(_k, rows));
    }

    // anybody may ask, so it is counted once a day and not once a call
    private async Task<IReadOnlyList<OpenFigure>> Rows(int year, DateOnly today, CancellationToken ct)
    {
        if (_counted.TryGetValue(year, out var known) && known.On == today)
            return known.Rows;
        var rows = new List<OpenFigure>();
        foreach (var alliance in directory.Current.Alliances)
            for (var quarter = 1; quarter <= 4; quarter++)
            {
                var from = new DateOnly(year, quarter * 3 - 2, 1);
                var to = from.AddMonths(3).AddDays(-1);
                if (to.AddDays(30) >= today)
                    continue;
                var (counted, _) = await count.Run(new Question(directory.Current.MembersOf(alliance), true, true, from, to, false), ct);
                var tally = counted.Whole;
                rows.AddRange(Definitions.All.SelectMany(d => d.Figures.Select(f =>
                    new OpenFigure(alliance, from, to, d.No, d.Code, f.Name, f.Unit, Few(f.SpeaksOf(tally)) ? null : f.Of(tally), Few(f.SpeaksOf(tally))))));
            }
        _counted[year] = (today, rows);
        return rows;
    }

    private bool Few(long people) => people > 0 && people < _k;
}

/// <param name="K">Fewest referrals a figure speaks of.</param>
internal sealed record OpenFigures(int K, IReadOnlyList<OpenFigure> Items);

/// <param name="TooFew">Left out, because it would speak of fewer than k referrals.</param>
internal sealed record OpenFigure(
    string Alliance, DateOnly From, DateOnly To, int No, string Indicator, string Figure, string Unit, decimal? Value, bool TooFew);
