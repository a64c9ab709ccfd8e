using System.Data;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Indicators;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Accountability;

/// <summary>One patient who was sent down and arrived, or the correction of one.</summary>
/// <param name="Kind">Counted or Reversed.</param>
/// <param name="Seal">SHA-256 over the seal before and this entry, in hex: a changed or missing entry breaks every later one.</param>
internal sealed record LedgerEntry(
    long Entry, string Kind, string ReferralNo, string Hospital, string Receiver, DateOnly ArrivedOn, bool InAlliance, DateTimeOffset EnteredAt, string Seal)
{
    // Dapper fills what has a name
    public LedgerEntry() : this(0, "", "", "", "", default, false, default, "")
    {
    }

    /// <summary>What stands before the first entry.</summary>
    public const string Beginning = "0000000000000000000000000000000000000000000000000000000000000000";

    public string SealAfter(string before) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
        $"{before}|{Entry}|{Kind}|{ReferralNo}|{Hospital}|{Receiver}|{ArrivedOn:yyyy-MM-dd}|{(InAlliance ? 1 : 0)}|{EnteredAt.UtcDateTime:yyyy-MM-ddTHH:mm:ss.ffffffZ}")));
}

/// <summary>
/// Countable facts for whoever pays for patients sent down (下转补助): entered once each by the reader of the
/// indicators, sealed into a chain, and never changed. Money is no part of it.
/// </summary>
internal sealed class DownLedger(NpgsqlDataSource database, Reach reach, Cursors cursors)
{
    private const int MostRows = 1000;

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/accountability/down-ledger", ([AsParameters] ReportFilter filter, [FromQuery] string? format, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DownLedger ledger) =>
            ledger.Handle(http, filter, format, cursor, limit))
        .Describe("listDownLedger", "Accountability", "The ledger of patients sent down, entry by entry, as JSON or CSV.",
            "from and to are days of arrival; side=sent is the hospital's, side=received the receiver's. Each entry carries the seal of the chain: "
            + "SHA-256 of seal before|entry|kind|referralNo|hospital|receiver|arrivedOn|inAlliance as 1 or 0|enteredAt in microseconds, UTC. An error is a second entry, Reversed.")
        .Produces<LedgerPage>(200, "application/json", "text/csv").Refuses(400, 403, 404);

    private async Task<IResult> Handle(HttpContext http, ReportFilter filter, string? format, string? cursor, int? limit)
    {
        if (CsvText.Wanted(http.Request, format) is not { } csv)
            return new ProblemResult(Problems.Bad("format", "json or csv.", "应为 json 或 csv。"));
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        // entries carry numbers of referrals: no reading for those who get counts
        var (question, caller, refused) = await reach.Of(http, filter, "down-ledger", roles: [Role.Coordinator, Role.Head, Role.Machine, Role.AllianceOffice]);
        if (refused is not null)
            return new ProblemResult(refused);
        var list = $"down-ledger|{caller!.Institution}|{filter}";
        var after = 0L;
        if (cursor is not null && (cursors.Open(list, cursor) is not { } position || !long.TryParse(position, out after)))
            return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
        var rows = limit ?? 100;
        await using var connection = await database.OpenConnectionAsync();
        var found = (await connection.QueryAsync<LedgerEntry>("""
            select entry, kind, referral_no, hospital, receiver, arrived_on, in_alliance, entered_at, seal
            from down_ledger l
            where entry > @after and arrived_on between @from and @to and exists (
                select from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
                where (@Sent and s.institution = l.hospital or @Received and s.institution = l.receiver) and l.arrived_on between s.since and s.until)
            order by entry limit @most
            """, new
        {
            after, from = question!.From, to = question.To, question.Sent, question.Received, most = rows + 1,
            institutions = question.Institutions.Select(i => i.Institution).ToArray(), sinces = question.Institutions.Select(i => i.Since).ToArray(),
            untils = question.Institutions.Select(i => i.Until ?? DateOnly.MaxValue).ToArray(),
        })).AsList();
        var page = found.Take(rows).ToArray();
        var next = found.Count > rows ? cursors.Seal(list, page[^1].Entry.ToString()) : null;
        return csv
            ? CsvText.Answer("down-ledger.csv",
                page.Select(object?[] (e) => [e.Entry, e.Kind, e.ReferralNo, e.Hospital, e.Receiver, e.ArrivedOn, e.InAlliance, e.EnteredAt, e.Seal])
                    .Prepend(["entry", "kind", "referralNo", "hospital", "receiver", "arrivedOn", "inAlliance", "enteredAt", "seal"]))
            : TypedResults.Ok(new LedgerPage(page, next));
    }

    private sealed record Due(Guid ReferralId, string Kind, string ReferralNo, string Hospital, string Receiver, DateOnly ArrivedOn, bool InAlliance)
    {
        public Due() : this(default, "", "", "", "", default, false)
        {
        }
    }

    /// <summary>
    /// Enters what these referrals have come to, in the caller's transaction. One reader at a time calls it, so the
    /// numbers have no gap; twice the same enters nothing.
    /// </summary>
    public static async Task Enter(IDbConnection connection, IDbTransaction transaction, Guid[] ids, DateTimeOffset now)
    {
        var due = (await connection.QueryAsync<Due>("""
            select m.referral_id, kind.it as kind, m.referral_no, m.sender as hospital, m.receiver,
                   (m.arrived_at at time zone 'Asia/Shanghai')::date as arrived_on, m.in_alliance
            from measure m
            cross join lateral (select 'Counted' as it where not m.in_error or exists (select from down_ledger l where l.referral_id = m.referral_id)
                                union all select 'Reversed' where m.in_error and exists (
                                    select from down_ledger l where l.referral_id = m.referral_id and l.kind = 'Counted')) kind
            where m.referral_id = any(@ids) and m.direction = 'Down' and m.arrived_at is not null
              and not exists (select from down_ledger l where l.referral_id = m.referral_id and l.kind = kind.it)
            order by m.arrived_at, m.referral_no, kind.it
            """, new { ids }, transaction)).AsList();
        if (due.Count == 0)
            return;
        var last = await connection.QuerySingleOrDefaultAsync<LedgerEntry>(
            "select entry, seal from down_ledger order by entry desc limit 1", transaction: transaction);
        var (entry, seal) = (last?.Entry ?? 0, last?.Seal ?? LedgerEntry.Beginning);
        // PostgreSQL keeps microseconds: the seal is made of what will be read again
        now = now.AddTicks(-(now.Ticks % TimeSpan.TicksPerMicrosecond));
        foreach (var one in due)
        {
            var next = new LedgerEntry(++entry, one.Kind, one.ReferralNo, one.Hospital, one.Receiver, one.ArrivedOn, one.InAlliance, now, "");
            seal = next.SealAfter(seal);
            await connection.ExecuteAsync("""
                insert into down_ledger (entry, kind, referral_id, referral_no, hospital, receiver, arrived_on, in_alliance, entered_at, seal)
                values (@Entry, @Kind, @ReferralId, @ReferralNo, @Hospital, @Receiver, @ArrivedOn, @InAlliance, @now, @seal)
                """, new { next.Entry, next.Kind, one.ReferralId, next.ReferralNo, next.Hospital, next.Receiver, next.ArrivedOn, next.InAlliance, now, seal }, transaction);
        }
    }
}

/// <summary>A page of the ledger, oldest first.</summary>
internal sealed record LedgerPage(IReadOnlyList<LedgerEntry> Items, string? Next);
