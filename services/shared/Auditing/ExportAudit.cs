using System.Globalization;
using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ServiceDefaults.Auditing;

/// <summary>What of this service's audit concerns an institution beside what its own people did.</summary>
/// <param name="Condition">SQL on the table <c>audit a</c> with the parameter <c>@me</c>.</param>
public sealed record AuditScope(string Condition);

/// <summary>
/// The audit for an auditor, as lines of JSON: each row with the number of the link that seals it, and each of those
/// links once. With the rows and links of a page a reader can recompute the hashes without us.
/// </summary>
public static class ExportAudit
{
    private const int MostRows = 5000;

    private const string Example = """
        {"link":7,"sealedAt":"2026-03-01T01:30:01Z","rows":[41],"digests":["5d1f…"],"previous":"9a0c…","hash":"77e2…","mac":"c4d8…","keyId":"0f3a…"}
        {"id":41,"at":"2026-03-01T01:30:00.123456Z","subject":"dr-0001","institution":"12210600DEM0000149","role":"Clinician","purpose":"TREATMENT","action":"read-patient","verdict":"allowed","referralId":"019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f","sealedBy":7,"digest":"5d1f…"}
        """;

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/audit", Handle)
        .Describe("exportAudit", "Audit", "Who did, read or was refused what, as NDJSON with the links of the hash chain.",
            "For the role Auditor. An auditor of a supervising authority (setting Audit:Authorities) sees everything; one of an institution sees what its people did and what concerns its referrals. The export is itself audited.")
        .Produces<string>(200, "application/x-ndjson").Refuses(400, 403)
        .Example(null, JsonSerializer.Serialize(Example));

    private sealed record Line
    {
        public AuditRow Row { get; init; } = null!;
        public long? Seal { get; init; }

    }

    private sealed record Sealed
    {
        public long? Seal { get; init; }
    }

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, Cursors cursors, TimeProvider clock,
        IConfiguration configuration, AuditScope scope, string? referral = null, string? since = null, string? until = null,
        string? after = null, int? limit = null)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        checks.That(limit is null or (>= 1 and <= MostRows), "limit", $"1 to {MostRows}.", $"1 至 {MostRows}。");
        checks.That(referral is null || Guid.TryParse(referral, out _), "referral", "The id of a referral.", "转诊单的 id。");
        var from = Time(since, "since", checks);
        var to = Time(until, "until", checks);
        var list = $"audit|{caller.Institution}|{referral}|{since}|{until}";
        var (tx, id) = (-1L, 0L);
        if (after is not null)
        {
            if (cursors.Open(list, after) is { } position)
                (tx, id) = (long.Parse(position.Split('|')[0], CultureInfo.InvariantCulture), long.Parse(position.Split('|')[1], CultureInfo.InvariantCulture));
            else
                checks.Add("after", "Not a cursor of this export: start again without one.", "游标无效，请重新导出。");
        }
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (caller.Role != Role.Auditor)
            return new ProblemResult(Problems.Forbidden);

        var size = limit ?? 1000;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var authority = configuration.GetSection("Audit:Authorities").Get<string[]>()?.Contains(caller.Institution) ?? false;
        var lines = (await connection.QueryAsync<AuditRow, Sealed?, Line>($"""
            select a.id, a.tx, a.at, a.subject, a.institution, a.role, a.on_behalf_of, a.purpose, a.action, a.verdict, a.referral_id, a.target,
                -- the link after whose bound no older row can come; a row between two bounds is not sealed yet
                (select number from audit_seal s where s.upto > a.tx and a.id = any(s.ids) order by s.upto limit 1) as seal
            from audit a
            where (a.tx, a.id) > (@tx, @id)
                -- nothing that an older transaction could still come before
                and (a.tx < (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint) or a.tx >= (select pg_snapshot_xmax(pg_current_snapshot())::text::bigint))
                {(authority ? "" : $"and (a.institution = @me or a.on_behalf_of = @me or {scope.Condition})")}
                {(referral is null ? "" : "and a.referral_id = @referral")}
                {(from is null ? "" : "and a.at >= @from")} {(to is null ? "" : "and a.at < @to")}
            order by a.tx, a.id
            limit @rows
            """, (row, at) => new() { Row = row, Seal = at?.Seal },
            new { tx, id, me = caller.Institution, referral = referral is null ? (Guid?)null : Guid.Parse(referral), from, to, rows = size + 1 }, splitOn: "seal")).AsList();
        var more = lines.Count > size;
        if (more)
            lines.RemoveAt(size);
        var seals = (await AuditSeals.Read(connection, "where number = any(@numbers) order by number",
            [new("numbers", lines.Where(l => l.Seal is not null).Select(l => l.Seal!.Value).Distinct().ToArray())], http.RequestAborted)).ToDictionary(s => s.Number);
        await AuditTrail.Write(connection, clock.GetUtcNow(), caller, "audit.export", denied: false,
            referral is null ? null : Guid.Parse(referral), $"{lines.Count} rows");

        if (more)
            http.Response.Headers.Link = $"<{http.Request.Path}?{Query(http.Request, cursors.Seal(list, $"{lines[^1].Row.Tx}|{lines[^1].Row.Id}"))}>; rel=\"next\"";
        http.Response.Headers.CacheControl = "no-store";
        return Results.Bytes(Write(lines, seals), "application/x-ndjson; charset=utf-8");
    }

    private static byte[] Write(IReadOnlyList<Line> lines, Dictionary<long, AuditSeal> seals)
    {
        using var buffer = new MemoryStream();
        var told = new HashSet<long>();
        foreach (var line in lines)
        {
            if (line.Seal is { } number && told.Add(number))
                Add(LinkLine(seals[number]));
            Add(RowLine(line));
        }
        return buffer.ToArray();

        void Add(object value)
        {
            JsonSerializer.Serialize(buffer, value, value.GetType(), Json.Lenient);
            buffer.WriteByte((byte)'\n');
        }
    }

    private static object LinkLine(AuditSeal s) => new
    {
        link = s.Number, s.SealedAt, rows = s.Ids, digests = Enumerable.Range(0, s.Ids.Length).Select(i => Convert.ToHexStringLower(s.DigestOf(i))).ToArray(),
        previous = Convert.ToHexStringLower(s.Previous), hash = Convert.ToHexStringLower(s.Hash), mac = Convert.ToHexStringLower(s.Mac), s.KeyId,
    };

    private static object RowLine(Line line) => new
    {
        line.Row.Id, line.Row.At, line.Row.Subject, line.Row.Institution, line.Row.Role, line.Row.OnBehalfOf, line.Row.Purpose, line.Row.Action,
        line.Row.Verdict, line.Row.ReferralId, line.Row.Target, sealedBy = line.Seal, digest = Convert.ToHexStringLower(line.Row.Digest()),
    };

    private static DateTimeOffset? Time(string? text, string name, Checks checks)
    {
        if (text is null)
            return null;
        if (DateTimeOffset.TryParse(text.Replace(' ', '+'), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
            return time.ToUniversalTime();
        checks.Add(name, "A time such as 2026-03-01T09:30:00+08:00.", "时间格式如 2026-03-01T09:30:00+08:00。");
        return null;
    }

    private static string Query(HttpRequest request, string cursor) => string.Join('&', request.Query.Where(p => p.Key != "after")
        .SelectMany(p => p.Value, (p, v) => $"{Uri.EscapeDataString(p.Key)}={Uri.EscapeDataString(v ?? "")}").Append("after=" + cursor));
}
