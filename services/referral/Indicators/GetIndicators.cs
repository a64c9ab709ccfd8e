using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances;
using ServiceDefaults.Http;

namespace ReferralService.Indicators;

/// <summary>The sixteen indicators of an institution or an alliance, as JSON or CSV, and the definitions they are made by.</summary>
internal sealed class GetIndicators(CountMeasures count, Reach reach, AllianceDirectory directory)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/indicators", ([AsParameters] ReportFilter filter, [FromQuery] string? by, [FromQuery] string? format, HttpContext http, GetIndicators get) =>
                get.Handle(http, filter, by, format))
            .Describe("getIndicators", "Indicators", "The sixteen indicators of an institution or an alliance in a period.",
                "Counts and durations only, nobody's names. by=member adds each institution; format=csv, or Accept: text/csv, gives one line per figure. "
                + "Staff ask for their own institution, the office of an alliance for it and its members, the health bureau for any. "
                + "'asOf' says up to when everything is counted: a few seconds ago.")
            .Produces<IndicatorReport>(200, "application/json", "text/csv").Refuses(400, 403, 404);
        routes.MapGet("/v1/indicators/definitions", (HttpContext http) => Explain(http))
            .Describe("listIndicatorDefinitions", "Indicators", "What each indicator counts, in the caller's language.")
            .Produces<IndicatorDefinitions>().Refuses(400, 403);
    }

    private static IResult Explain(HttpContext http)
    {
        var chinese = Problems.SpeaksChinese(http.Request);
        return TypedResults.Ok(new IndicatorDefinitions(Definitions.Rules.In(chinese), [.. Definitions.All.Select(d => new IndicatorDefinition(
            d.No, d.Code, d.Name.In(chinese), d.Meaning.In(chinese), [.. d.Figures.Select(f => new IndicatorFigure(f.Name, f.Unit))]))]));
    }

    private async Task<IResult> Handle(HttpContext http, ReportFilter filter, string? by, string? format)
    {
        if (by is not (null or "member"))
            return new ProblemResult(Problems.Bad("by", "member, or nothing.", "应为 member 或不填。"));
        if (CsvText.Wanted(http.Request, format) is not { } csv)
            return new ProblemResult(Problems.Bad("format", "json or csv.", "应为 json 或 csv。"));
        var (question, _, refused) = await reach.Of(http, filter, "indicators", byMember: by is not null);
        if (refused is not null)
            return new ProblemResult(refused);
        var (counted, asOf) = await count.Run(question!, http.RequestAborted);
        var report = Report(question!, filter, counted, asOf);
        return csv ? CsvText.Answer("indicators.csv", Lines(report)) : TypedResults.Ok(report);
    }

    private IndicatorReport Report(Question q, ReportFilter filter, Counted counted, DateTimeOffset asOf) => new(
        filter.Alliance is null ? q.Institutions[0].Institution : null, filter.Alliance, q.From, q.To, filter.Side ?? "both", asOf,
        Values(counted.Whole), Missed(counted, ""),
        q.ByMember ? [.. counted.Members.Select(t => new MemberIndicators(t.Key, directory.Current.NameOf(t.Key), Values(t), Missed(counted, t.Key)))] : null);

    private static IReadOnlyList<IndicatorValues> Values(Tally t) =>
        [.. Definitions.All.Select(d => new IndicatorValues(d.No, d.Code, d.Figures.ToDictionary(f => f.Name, f => f.Of(t))))];

    private static IReadOnlyList<MissedCount> Missed(Counted counted, string key) =>
        [.. counted.Missed.Where(m => m.Key == key).Select(m => new MissedCount(m.Timer, m.Level, m.Count))];

    private static IEnumerable<object?[]> Lines(IndicatorReport report)
    {
        yield return ["alliance", "institution", "from", "to", "side", "no", "indicator", "figure", "unit", "value"];
        foreach (var line in Of(report.Institution, report.Indicators, report.Missed))
            yield return line;
        foreach (var member in report.Members ?? [])
            foreach (var line in Of(member.Institution, member.Indicators, member.Missed))
                yield return line;

        IEnumerable<object?[]> Of(string? institution, IReadOnlyList<IndicatorValues> indicators, IReadOnlyList<MissedCount> missed)
        {
            object?[] Line(int no, string code, string figure, string unit, object? value) =>
                [report.Alliance, institution, report.From, report.To, report.Side, no, code, figure, unit, value];
            foreach (var indicator in indicators)
                foreach (var figure in Definitions.All[indicator.No - 1].Figures)
                    yield return Line(indicator.No, indicator.Code, figure.Name, figure.Unit, indicator.Values[figure.Name]);
            foreach (var late in missed)
                yield return Line(15, "missed-deadlines", $"{late.Timer}/{late.Level}", "deadlines", late.Count);
        }
    }
}

/// <summary>The sixteen indicators of one scope and period.</summary>
/// <param name="AsOf">Everything that was committed before this moment is in the figures.</param>
/// <param name="Missed">Missed deadlines by timer and level, the detail of indicator 15.</param>
internal sealed record IndicatorReport(
    string? Institution, string? Alliance, DateOnly From, DateOnly To, string Side, DateTimeOffset AsOf,
    IReadOnlyList<IndicatorValues> Indicators, IReadOnlyList<MissedCount> Missed, IReadOnlyList<MemberIndicators>? Members);

/// <summary>The figures of one indicator by name; null where a share has no denominator.</summary>
internal sealed record IndicatorValues(int No, string Code, Dictionary<string, decimal?> Values);

internal sealed record MissedCount(string Timer, int Level, long Count);

internal sealed record MemberIndicators(string Institution, string? Name, IReadOnlyList<IndicatorValues> Indicators, IReadOnlyList<MissedCount> Missed);

/// <summary>What the figures mean.</summary>
/// <param name="Rules">What holds for all of them.</param>
internal sealed record IndicatorDefinitions(string Rules, IReadOnlyList<IndicatorDefinition> Indicators);

internal sealed record IndicatorDefinition(int No, string Code, string Name, string Meaning, IReadOnlyList<IndicatorFigure> Figures);

internal sealed record IndicatorFigure(string Name, string Unit);
