using System.ComponentModel;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>One line of an inbox.</summary>
internal sealed record InboxItemAnswer(
    [property: Description("The referral, or the endpoint, the line is about.")] Guid Id,
    [property: Description("The newest event.")] string Type,
    [property: Description("The referral's number.")] string? Subject,
    string? Direction,
    string? Priority,
    string? Department,
    [property: Description("True: nothing goes on without your institution; false: it should know.")] bool MustAct,
    [property: Description("True: the report tells of a critical value (危急值); act at once.")] bool Critical,
    DateTimeOffset OccurredAt,
    [property: Description("Send it as If-Match to acknowledge exactly this.")] string Etag);

/// <param name="Next">Cursor of the next page; absent on the last one.</param>
internal sealed record InboxPage(IReadOnlyList<InboxItemAnswer> Items, string? Next);

/// <param name="Open">Lines that nobody acknowledged or acted on, counted up to 1000.</param>
/// <param name="MustAct">Those of them that wait for the institution.</param>
/// <param name="Emergencies">Those of them that are emergencies.</param>
internal sealed record InboxCounts(int Open, int MustAct, int Emergencies);

/// <summary>What the staff of an institution has not seen yet, newest first, one line per referral; and how much of it there is.</summary>
internal static class ListInbox
{
    private const int MostCounted = 1000;
    public const string Roles = "Roles Clinician, Coordinator, Head, Registrar, AllianceOffice, Operator, Machine.";

    public static void Map(IEndpointRouteBuilder app)
    {
        app.MapGet("/inbox", List)
            .Describe("listInbox", "Inbox", "Read what your institution has not seen yet.",
                Roles + " One line per referral: the newest event. It goes when it is acknowledged, or when your institution acts on the referral. Emergencies come first when you ask for priority=Emergency.")
            .Produces<InboxPage>()
            .Produces(304)
            .Refuses(400, 403)
            .Example(null, """
                {"items":[{"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","type":"referral.up.submitted","subject":"U260301000001003","direction":"Up","priority":"Urgent","department":"03","mustAct":true,"critical":false,"occurredAt":"2026-03-01T01:30:00Z","etag":"\"4711\""}]}
                """);
        app.MapGet("/inbox/counts", Count)
            .Describe("countInbox", "Inbox", "Count what your institution has not seen yet.", Roles + " Counted up to 1000.")
            .Produces<InboxCounts>()
            .Produces(304)
            .Refuses(403)
            .Example(null, """{"open":12,"mustAct":5,"emergencies":1}""");
    }

    /// <summary>Null, or 403: people and software of the institution, not those who only look at figures.</summary>
    public static Problem? MayReadInbox(this Caller caller) =>
        caller.Role is Role.Insurer or Role.Regulator or Role.Auditor ? new(Problems.Forbidden) : null;

    private sealed record Row
    {
        public Guid Thing { get; init; }
        public long Position { get; init; }
        public string Type { get; init; } = "";
        public string? Subject { get; init; }
        public string? Direction { get; init; }
        public string? Priority { get; init; }
        public string? Department { get; init; }
        public bool MustAct { get; init; }
        public bool Critical { get; init; }
        public DateTimeOffset OccurredAt { get; init; }
    }

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, Cursors cursors,
        [Description("Only lines of this department, or of none.")] string? department = null,
        [Description("Routine, Urgent or Emergency.")] string? priority = null,
        [Description("Cursor of the page before.")] string? cursor = null,
        [Description("Page size, 1 to 500; 50 when absent.")] string? limit = null)
    {
        var (caller, noCaller) = Caller.Of(http);
        var (size, badLimit) = Listing.Limit(limit);
        if (badLimit is not null)
            return new ProblemResult(badLimit);
        if (priority is not (null or "Routine" or "Urgent" or "Emergency"))
            return new ProblemResult(Problems.Bad("priority", "Routine, Urgent or Emergency.", "应为 Routine、Urgent 或 Emergency。"));
        if (department is { Length: > 16 } || department?.Any(char.IsControl) == true)
            return new ProblemResult(Problems.Bad("department", "A department code.", "应为诊疗科目代码。"));
        if (caller is null)
            return new ProblemResult(noCaller!);
        var list = $"inbox|{caller.Institution}|{department}|{priority}";
        var before = long.MaxValue;
        if (cursor is not null && !long.TryParse(cursors.Open(list, cursor), out before))
            return new ProblemResult(Listing.BadCursor("cursor"));
        if (caller.MayReadInbox() is { } forbidden)
            return new ProblemResult(forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var rows = (await connection.QueryAsync<Row>("""
            select thing, position, type, subject, direction, priority, department, must_act, critical, occurred_at
            from inbox_item
            where institution = @Institution and open and position < @before
                and (@department::text is null or department is null or department = @department)
                and (@priority::text is null or priority = @priority)
            order by position desc
            limit @size + 1
            """, new { caller.Institution, before, department, priority, size })).AsList();
        var page = rows.Take(size).Select(r => new InboxItemAnswer(r.Thing, r.Type, r.Subject, r.Direction, r.Priority, r.Department, r.MustAct, r.Critical, r.OccurredAt, ETags.Of(r.Position))).ToArray();
        var next = rows.Count > size ? cursors.Seal(list, rows[size - 1].Position.ToString()) : null;
        if (next is not null)
            Listing.LinkNext(http, "cursor", next, size,
                (department is null ? "" : "&department=" + Uri.EscapeDataString(department)) + (priority is null ? "" : "&priority=" + priority));
        return Listing.Answer(http, new InboxPage(page, next));
    }

    private static async Task<IResult> Count(HttpContext http, NpgsqlDataSource database)
    {
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(noCaller!);
        if (caller.MayReadInbox() is { } forbidden)
            return new ProblemResult(forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (open, mustAct, emergencies) = await connection.QuerySingleAsync<(int, int, int)>("""
            select count(*)::int, (count(*) filter (where must_act))::int, (count(*) filter (where priority = 'Emergency'))::int
            from (select must_act, priority from inbox_item where institution = @Institution and open order by position desc limit @MostCounted) newest
            """, new { caller.Institution, MostCounted });
        return Listing.Answer(http, new InboxCounts(open, mustAct, emergencies));
    }
}
