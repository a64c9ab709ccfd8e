using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Indicators;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Accountability;

/// <summary>Who refused, who kept silent, and how long answers took: by hospital, and by clinician for those who answer for them.</summary>
internal sealed class GetRefusals(NpgsqlDataSource database, IndicatorSettings settings, Reach reach, Cursors cursors)
{
    private const int MostRows = 100;
    private static readonly Role[] Answerable = [Role.Coordinator, Role.Head, Role.AllianceOffice];

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/accountability/refusals", ([AsParameters] ReportFilter filter, [FromQuery] string? by, [FromQuery] string? format, HttpContext http, GetRefusals get) =>
                get.Handle(http, filter, by, format))
            .Describe("listRefusals", "Accountability", "Refusals, silences and suspected refusals (推诿) of each receiver, with latency, as JSON or CSV.",
                "Counted by leg: one target institution each, emergencies included. A refusal is suspected when no reason justifies it, when nobody answered until it expired, "
                + "or when it was sent on because nobody answered. by=clinician needs Coordinator or Head of the institution, or AllianceOffice.")
            .Produces<RefusalReport>(200, "application/json", "text/csv").Refuses(400, 403, 404);
        routes.MapGet("/v1/accountability/suspected-refusals", ([AsParameters] ReportFilter filter, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, GetRefusals get) =>
                get.Suspects(http, filter, cursor, limit))
            .Describe("listSuspectedRefusals", "Accountability", "The legs behind the suspected refusals, newest first, for those who look into them.")
            .Produces<SuspectPage>().Refuses(400, 403, 404);
    }

    private async Task<IResult> Handle(HttpContext http, ReportFilter filter, string? by, string? format)
    {
        if (by is not (null or "clinician"))
            return new ProblemResult(Problems.Bad("by", "clinician, or nothing.", "应为 clinician 或不填。"));
        if (CsvText.Wanted(http.Request, format) is not { } csv)
            return new ProblemResult(Problems.Bad("format", "json or csv.", "应为 json 或 csv。"));
        var (question, _, refused) = await reach.Of(http, filter, "refusals", roles: by is null ? null : Answerable);
        if (refused is not null)
            return new ProblemResult(refused);
        var rows = await Count(question!, by is not null);
        await using var connection = await database.OpenConnectionAsync();
        var complaints = (await connection.QueryAsync<(string Institution, long Filed, long Answered, long Overdue, long Upheld)>("""
            select against, count(*), count(*) filter (where answered_at is not null), count(*) filter (where due_at < now()), count(*) filter (where decision = 'Upheld')
            from complaint c
            where state <> 'Withdrawn' and (filed_at at time zone 'Asia/Shanghai')::date between @From and @To and exists (
                select from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
                where s.institution = c.against and (c.filed_at at time zone 'Asia/Shanghai')::date between s.since and s.until)
            group by against order by against collate "C"
            """, CountMeasures.Parameters(question!, settings))).Select(c => new ComplaintCount(c.Institution, c.Filed, c.Answered, c.Overdue, c.Upheld)).ToArray();
        return csv
            ? CsvText.Answer("refusals.csv",
                rows.Select(object?[] (r) => [r.Institution, r.Clinician, r.Legs, r.Answered, r.Declined, r.TakenBack, r.Expired, r.Silent, r.Suspected, r.AnswerMedianSeconds, r.AnswerP90Seconds])
                    .Prepend(["institution", "clinician", "legs", "answered", "declined", "takenBack", "expired", "silent", "suspected", "answerMedianSeconds", "answerP90Seconds"]))
            : TypedResults.Ok(new RefusalReport(question!.From, question.To, rows, complaints));
    }

    /// <summary>The rows, counted with SQL.</summary>
    public async Task<IReadOnlyList<RefusalRow>> Count(Question question, bool byClinician)
    {
        await using var connection = await database.OpenConnectionAsync();
        var parameters = new DynamicParameters(CountMeasures.Parameters(question, settings));
        parameters.Add("byClinician", byClinician);
        return (await connection.QueryAsync<RefusalRow>(Rows, parameters)).AsList();
    }

    private const string OfScope = """
        from measure m
        join measure_leg l using (referral_id)
        where m.submitted_on between @From and @To and not m.in_error and not m.retro and exists (
            select from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
            where s.institution = l.receiver and m.submitted_on between s.since and s.until)
        """;

    private const string Rows = """
        select * from (
        select l.receiver as institution, case when @byClinician then l.clinician end as clinician,
               count(*) as legs,
               count(*) filter (where answer in ('Accepted', 'Declined', 'Advised', 'Reported')) as answered,
               count(*) filter (where answer = 'Declined') as declined,
               count(taken_back_at) as taken_back,
               count(*) filter (where answer = 'Expired') as expired,
               count(*) filter (where silences > 0) as silent,
               count(*) filter (where
        """ + CountMeasures.Suspected + """
               ) as suspected,
               percentile_disc(0.5) within group (order by greatest(0, floor(extract(epoch from answered_at - opened_at)))::bigint)
                   filter (where answer in ('Accepted', 'Declined', 'Advised', 'Reported')) as answer_median_seconds,
               percentile_disc(0.9) within group (order by greatest(0, floor(extract(epoch from answered_at - opened_at)))::bigint)
                   filter (where answer in ('Accepted', 'Declined', 'Advised', 'Reported')) as answer_p90_seconds

        """ + OfScope + """

        group by 1, 2) counted
        order by institution collate "C", clinician collate "C" nulls first
        """;

    private async Task<IResult> Suspects(HttpContext http, ReportFilter filter, string? cursor, int? limit)
    {
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        var (question, caller, refused) = await reach.Of(http, filter, "suspected-refusals", roles: Answerable);
        if (refused is not null)
            return new ProblemResult(refused);
        var list = $"suspected-refusals|{caller!.Institution}|{filter}";
        var parameters = new DynamicParameters(CountMeasures.Parameters(question!, settings));
        var after = "";
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor) is not { } position)
                return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
            var parts = position.Split('|');
            after = "and (l.opened_at, m.referral_no, l.leg) < (@openedAt, @no, @leg)";
            parameters.Add("openedAt", new DateTime(long.Parse(parts[0]), DateTimeKind.Utc));
            parameters.Add("no", parts[1]);
            parameters.Add("leg", int.Parse(parts[2]));
        }
        var rows = limit ?? 20;
        parameters.Add("rows", rows + 1);
        await using var connection = await database.OpenConnectionAsync();
        var found = (await connection.QueryAsync<SuspectedRefusal>($"""
            select m.referral_no, l.leg, m.sender, l.receiver, l.clinician, l.answer, coalesce(l.taken_back_reason, l.reason) as reason,
                   l.opened_at, l.answered_at, l.taken_back_at, l.silences
            {OfScope} and {CountMeasures.Suspected} {after}
            order by l.opened_at desc, m.referral_no desc, l.leg desc limit @rows
            """, parameters)).AsList();
        var page = found.Take(rows).ToArray();
        return TypedResults.Ok(new SuspectPage(page, found.Count > rows ? cursors.Seal(list, $"{page[^1].OpenedAt.UtcTicks}|{page[^1].ReferralNo}|{page[^1].Leg}") : null));
    }
}

/// <summary>What the receivers of a scope did with what was sent to them, and what was complained of.</summary>
internal sealed record RefusalReport(DateOnly From, DateOnly To, IReadOnlyList<RefusalRow> Items, IReadOnlyList<ComplaintCount> Complaints);

/// <summary>Complaints against one institution, by the day they were filed; withdrawn ones do not count.</summary>
internal sealed record ComplaintCount(string Institution, long Filed, long Answered, long Overdue, long Upheld);

/// <summary>One leg that looks like a refusal.</summary>
internal sealed record SuspectedRefusal
{
    public string ReferralNo { get; init; } = "";
    public int Leg { get; init; }
    public string Sender { get; init; } = "";
    public string Receiver { get; init; } = "";
    public string? Clinician { get; init; }
    public string? Answer { get; init; }
    public string? Reason { get; init; }
    public DateTimeOffset OpenedAt { get; init; }
    public DateTimeOffset? AnsweredAt { get; init; }
    public DateTimeOffset? TakenBackAt { get; init; }
    public int Silences { get; init; }
}

internal sealed record SuspectPage(IReadOnlyList<SuspectedRefusal> Items, string? Next);
