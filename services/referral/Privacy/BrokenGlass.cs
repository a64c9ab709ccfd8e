using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Patients;
using ReferralService.Referrals.Reading;
using ReferralService.Workflow;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Privacy;

/// <summary>What was judged of a broken glass.</summary>
internal enum GlassVerdict { Justified, NotJustified }

/// <summary>Judge a broken glass, once and for good.</summary>
internal sealed record ReviewGlass(GlassVerdict? Verdict, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Verdict, "/verdict");
        checks.Text(Text, "/text", Reasons.TextLimit, required: Verdict == GlassVerdict.NotJustified);
    }
}

/// <summary>One breaking of the glass, for those whose referral it was.</summary>
/// <param name="Text">Why, in words; for a head of a party.</param>
internal sealed record BrokenGlass(
    Guid Id, Guid ReferralId, string ReferralNo, string Sender, string Receiver, string Subject, string Institution, string Role,
    string? Department, GlassReason Reason, string? Text, DateTimeOffset At, DateTimeOffset Until, GlassReviewed? Review);

/// <summary>Who judged it, and how.</summary>
internal sealed record GlassReviewed(GlassVerdict Verdict, string Subject, string Institution, DateTimeOffset At);

internal sealed record BrokenGlassPage(IReadOnlyList<BrokenGlass> Items, string? Next);

/// <summary>The report of broken glasses, newest first, and the judgement of each by those whose referral it was.</summary>
internal sealed class BrokenGlassReport(NpgsqlDataSource database, Once once, PatientKeys keys, SlipReader slips, Cursors cursors, Access access, IConfiguration configuration)
{
    private const int MostRows = 100;
    private static readonly Role[] Readers = [Role.Head, Role.Coordinator, Role.Auditor];
    private static readonly Role[] Judges = [Role.Head, Role.Coordinator];

    private static readonly BrokenGlass Example = new(
        new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e51"), new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f"), "U261122000001234", "12210681DEM0001022", "12210600DEM0000149",
        "dr-emergency", "12210681DEM000022E", "Clinician", null, GlassReason.EmergencyCare, null, new(2026, 11, 22, 1, 30, 0, TimeSpan.Zero), new(2026, 11, 22, 5, 30, 0, TimeSpan.Zero),
        new(GlassVerdict.Justified, "head-1", "12210681DEM0001022", new(2026, 11, 22, 8, 0, 0, TimeSpan.Zero)));

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/broken-glass", ([FromQuery] bool? open, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, BrokenGlassReport report) =>
                report.List(http, open ?? false, cursor, limit))
            .Describe("listBrokenGlass", "Privacy", "Who broke the glass of the caller's referrals, or of its people did so elsewhere, newest first.",
                "For heads, referral offices and auditors; an auditor of a supervising authority (setting Audit:Authorities) sees every one. The reading is audited.")
            .Produces<BrokenGlassPage>().Refuses(400, 403);
        routes.MapPost("/v1/broken-glass/{id}/review", (Guid id, HttpContext http, BrokenGlassReport report) => report.Review(http, id))
            .Describe("reviewBrokenGlass", "Privacy", "Judge a broken glass, once: justified or not.",
                "For head and referral office of the sender or of a receiver, never for whoever broke it. 409 when it was judged before.")
            .Accepts<ReviewGlass>("application/json").Produces<BrokenGlass>().RefusesLikeACommand()
            .Example(new ReviewGlass(GlassVerdict.Justified, null), Example);
    }

    private sealed record Row
    {
        public Guid Id { get; init; }
        public Guid ReferralId { get; init; }
        public string ReferralNo { get; init; } = "";
        public string Sender { get; init; } = "";
        public string Receiver { get; init; } = "";
        public string[] Tried { get; init; } = [];
        public string Subject { get; init; } = "";
        public string Institution { get; init; } = "";
        public string Role { get; init; } = "";
        public string? Department { get; init; }
        public string Purpose { get; init; } = "";
        public byte[] Words { get; init; } = [];
        public byte[]? WrappedKey { get; init; }
        public DateTimeOffset At { get; init; }
        public DateTimeOffset Until { get; init; }
        public string? Verdict { get; init; }
        public string? ReviewedBy { get; init; }
        public string? ReviewedAtInstitution { get; init; }
        public DateTimeOffset? ReviewedAt { get; init; }

        public bool IsOf(string institution) => Sender == institution || Receiver == institution || Tried.Contains(institution);
    }

    private const string Broken = """
        select o.id, o.referral_id, r.referral_no, r.sender, r.receiver, r.tried, o.subject, o.institution, o.role, o.department, o.purpose,
               o.words, p.wrapped_key, o.at, o.until, v.verdict, v.subject as reviewed_by, v.institution as reviewed_at_institution, v.at as reviewed_at
        from opening o
        join referral r on r.id = o.referral_id
        join patient p on p.id = r.patient_id
        left join opening_review v on v.opening_id = o.id
        where o.kind = 'BreakGlass'
        """;

    private async Task<IResult> List(HttpContext http, bool open, string? cursor, int? limit)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        var list = $"broken-glass|{caller.Institution}|{open}";
        Guid? before = null;
        if (cursor is not null)
        {
            if (!Guid.TryParse(cursors.Open(list, cursor), out var id))
                return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
            before = id;
        }
        if (!Readers.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        var rows = limit ?? 50;
        var all = caller.Role == Role.Auditor && configuration.GetSection("Audit:Authorities").Get<string[]>()?.Contains(caller.Institution) == true;
        await using var connection = await database.OpenConnectionAsync();
        // ids are made of time: their order is the order of the breakings
        var found = (await connection.QueryAsync<Row>(Broken + """

                and (@all or r.sender = @Institution or r.receiver = @Institution or @Institution = any(r.tried) or o.institution = @Institution)
                and (not @open or v.opening_id is null)
                and (@before::uuid is null or o.id < @before)
            order by o.id desc
            limit @limit
            """, new { caller.Institution, all, open, before, limit = rows + 1 })).AsList();
        await AuditTrail.Write(connection, once.Now, caller, "broken-glass.read", denied: false);
        var page = found.Take(rows).ToList();
        var next = found.Count > rows ? cursors.Seal(list, page[^1].Id.ToString()) : null;
        if (next is not null)
            http.Response.Headers.Link = $"<{http.Request.Path}?cursor={Uri.EscapeDataString(next)}&limit={rows}{(open ? "&open=true" : "")}>; rel=\"next\"";
        return TypedResults.Ok(new BrokenGlassPage([.. page.Select(row => Show(row, caller))], next));
    }

    private async Task<IResult> Review(HttpContext http, Guid id)
    {
        var (caller, command, key, refused) = await Once.Read<ReviewGlass>(http);
        if (refused is not null)
            return refused;
        await using (var looking = await database.OpenConnectionAsync())
        {
            var known = await looking.QuerySingleOrDefaultAsync<Row>(Broken + " and o.id = @id", new { id });
            if (known is null || !known.IsOf(caller!.Institution) && known.Institution != caller.Institution)
            {
                await access.Denied(looking, caller!, "broken-glass.review", known?.ReferralId, id.ToString());
                return new ProblemResult(Problems.NotFound);
            }
            // nobody judges what they did themselves, nor for an institution that only looked
            if (!Judges.Contains(caller.Role) || !known.IsOf(caller.Institution) || known.Institution == caller.Institution && known.Subject == caller.Subject)
            {
                await access.Denied(looking, caller, "broken-glass.review", known.ReferralId, id.ToString());
                return new ProblemResult(Problems.Forbidden);
            }
        }
        return await once.Run<BrokenGlass>(key!, async (connection, transaction) =>
        {
            var row = await connection.QuerySingleAsync<Row>(Broken + " and o.id = @id", new { id }, transaction);
            var judged = await connection.ExecuteAsync("""
                insert into opening_review (opening_id, verdict, words, subject, institution, role, at)
                values (@id, @verdict, @words, @Subject, @Institution, @role, @now)
                -- of two judges at once one comes second
                on conflict do nothing
                """, new
            {
                id, verdict = command!.Verdict.ToString(), words = command.Text is null || row.WrappedKey is null ? null : keys.Seal(row.WrappedKey, command.Text),
                caller.Subject, caller.Institution, role = caller.Role.ToString(), now = once.Now,
            }, transaction);
            if (judged == 0)
                return new Problem(Refusals.JudgedBefore);
            await AuditTrail.Write(connection, once.Now, caller, "broken-glass.review", denied: false, row.ReferralId, command.Verdict.ToString());
            // the answer is kept for repetitions: it holds nothing that anybody wrote
            return Show(row with { Verdict = command.Verdict.ToString(), ReviewedBy = caller.Subject, ReviewedAtInstitution = caller.Institution, ReviewedAt = once.Now }, null);
        });
    }

    private BrokenGlass Show(Row r, Caller? reader) => new(r.Id, r.ReferralId, r.ReferralNo, r.Sender, r.Receiver, r.Subject, r.Institution, r.Role, r.Department,
        Enum.Parse<GlassReason>(r.Purpose), reader is { Role: Role.Head } && r.IsOf(reader.Institution) ? slips.Words(r.WrappedKey, r.Words) : null, r.At, r.Until,
        r.Verdict is null ? null : new(Enum.Parse<GlassVerdict>(r.Verdict), r.ReviewedBy!, r.ReviewedAtInstitution!, r.ReviewedAt!.Value));
}
