using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Indicators;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Accountability;

/// <summary>上转容易下转难, in figures: whom each hospital could have sent down and did not, and who is held over now.</summary>
internal sealed class GetDownGap(NpgsqlDataSource database, IndicatorSettings settings, Reach reach)
{
    public const int MostRows = 500;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/accountability/down-gap", ([AsParameters] ReportFilter filter, [FromQuery] string? format, HttpContext http, GetDownGap get) => get.Handle(http, filter, format))
            .Describe("listDownGap", "Accountability", "For each hospital: patients who could go down, who was sent, who arrived, who was held over, as JSON or CSV.")
            .Produces<DownGapReport>(200, "application/json", "text/csv").Refuses(400, 403, 404);
        routes.MapGet("/v1/accountability/hold-overs", ([AsParameters] ReportFilter filter, HttpContext http, GetDownGap get) => get.HoldOvers(http, filter))
            .Describe("listHoldOvers", "Accountability", "Patients who are treated, could go down and wait for a way back longer than the return timer allows, longest first.",
                $"At most {MostRows}; 'more' says that there are others. Nobody's name: the referral's number, for the institutions of the referral and the alliance's office.")
            .Produces<HoldOverList>().Refuses(400, 403, 404);
    }

    private async Task<IResult> Handle(HttpContext http, ReportFilter filter, string? format)
    {
        if (CsvText.Wanted(http.Request, format) is not { } csv)
            return new ProblemResult(Problems.Bad("format", "json or csv.", "应为 json 或 csv。"));
        var (question, _, refused) = await reach.Of(http, filter, "down-gap");
        if (refused is not null)
            return new ProblemResult(refused);
        await using var connection = await database.OpenConnectionAsync();
        var rows = (await connection.QueryAsync<DownGapRow>("""
            select m.receiver as hospital, count(*) as eligible, count(m.return_initiated_at) as sent_back,
                   count(*) filter (where m.returned) as returned, count(*) filter (where m.held_over) as held_over,
                   count(*) filter (where m.not_returned_reason is not null) as closed_without,
                   percentile_disc(0.5) within group (order by greatest(0, floor(extract(epoch from m.return_initiated_at - m.treated_at)))::bigint)
                       filter (where m.return_initiated_at is not null) as until_sent_median_seconds
            from measure m
            where m.rehab_eligible and not m.in_error and m.submitted_on between @From and @To and exists (
                select from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
                where (@Received and s.institution = m.receiver or @Sent and s.institution = m.sender) and m.submitted_on between s.since and s.until)
            group by m.receiver order by m.receiver collate "C"
            """, CountMeasures.Parameters(question!, settings))).AsList();
        return csv
            ? CsvText.Answer("down-gap.csv",
                rows.Select(object?[] (r) => [r.Hospital, r.Eligible, r.SentBack, r.Returned, r.HeldOver, r.ClosedWithout, r.UntilSentMedianSeconds])
                    .Prepend(["hospital", "eligible", "sentBack", "returned", "heldOver", "closedWithout", "untilSentMedianSeconds"]))
            : TypedResults.Ok(new DownGapReport(question!.From, question.To, rows));
    }

    private async Task<IResult> HoldOvers(HttpContext http, ReportFilter filter)
    {
        var (question, _, refused) = await reach.Of(http, filter, "hold-overs", roles: [Role.Clinician, Role.Coordinator, Role.Head, Role.AllianceOffice, Role.Machine]);
        if (refused is not null)
            return new ProblemResult(refused);
        await using var connection = await database.OpenConnectionAsync();
        var parameters = new DynamicParameters(CountMeasures.Parameters(question!, settings));
        parameters.Add("most", MostRows + 1);
        // the row itself says who waits now; the measure that the timer has passed
        var rows = (await connection.QueryAsync<HoldOver>("""
            select m.referral_no, m.receiver as hospital, m.sender, m.treated_at, r.return_since as waiting_since
            from measure m
            join referral r on r.id = m.referral_id
            where m.rehab_eligible and m.held_over and not m.in_error and m.submitted_on between @From and @To
              and r.state = 'Treated' and r.live_child_id is null and exists (
                select from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
                where (@Received and s.institution = m.receiver or @Sent and s.institution = m.sender) and m.submitted_on between s.since and s.until)
            order by r.return_since, m.referral_no limit @most
            """, parameters)).AsList();
        return TypedResults.Ok(new HoldOverList([.. rows.Take(MostRows)], rows.Count > MostRows));
    }
}

internal sealed record DownGapReport(DateOnly From, DateOnly To, IReadOnlyList<DownGapRow> Items);

/// <summary>One hospital's rehab-eligible patients of a period.</summary>
/// <param name="ClosedWithout">Completed without a way back, with a reason.</param>
/// <param name="UntilSentMedianSeconds">From treated to the way back's beginning.</param>
internal sealed record DownGapRow(
    string Hospital, long Eligible, long SentBack, long Returned, long HeldOver, long ClosedWithout, long? UntilSentMedianSeconds);

/// <summary>A patient who waits in hospital for a way back.</summary>
internal sealed record HoldOver
{
    public string ReferralNo { get; init; } = "";
    public string Hospital { get; init; } = "";
    public string Sender { get; init; } = "";
    public DateTimeOffset TreatedAt { get; init; }
    public DateTimeOffset WaitingSince { get; init; }
}

internal sealed record HoldOverList(IReadOnlyList<HoldOver> Items, bool More);
