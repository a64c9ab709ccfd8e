using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Slots;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Waiting;

/// <summary>Patients your institution accepted and has no place for: one line for each kind of place.</summary>
internal sealed record SlotIssue
{
    public string? Department { get; init; }
    public required string Resource { get; init; }
    public required int Waiting { get; init; }
    /// <summary>Those who have waited too long.</summary>
    public required int Aged { get; init; }
    /// <summary>Those who are urgent or an emergency.</summary>
    public required int Urgent { get; init; }
    /// <summary>Those whose window is past: they get the next place at all.</summary>
    public required int PastWindow { get; init; }
    /// <summary>Since when the first of them waits.</summary>
    public required DateTimeOffset Oldest { get; init; }
    /// <summary>The next free slot of that line, where there is one that nobody's window reaches or that is reserved.</summary>
    public DateTimeOffset? NextFree { get; init; }
    /// <summary>NoneFree: publish more. OutsideWindows: what is free comes too late, too early or is reserved.</summary>
    public string Why => NextFree is null ? "NoneFree" : "OutsideWindows";
}

/// <summary>The worklist of those who plan: where places are missing, worst first.</summary>
internal static class ListSlotIssues
{
    // departments times kinds of places of one institution: a reasonable limit instead of pages
    private const int Most = 200;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/slot-issues", List).Read<Page<SlotIssue>>(
            "listSlotIssues", "Waiting list", "Where your institution accepted patients and has no place for them, worst first; /v1/waiting-list names the referrals.",
            """{"items":[{"department":"03.03","resource":"Slot","waiting":9,"aged":2,"urgent":1,"pastWindow":0,"oldest":"2026-11-22T01:00:00+00:00","nextFree":"2026-12-20T01:00:00+00:00","why":"OutsideWindows"}]}""");

    private const string Select = $"""
        select i.department, i.resource, i.waiting, i.aged, i.urgent, i.past_window, i.oldest,
               (select min(s.starts_at) from slot s where s.line = any (i.lines) and {Fitting.SlotHasRoom} and s.starts_at > @Now) as next_free
        from (
            select w.department, n.resource, w.lines, count(*)::int as waiting, (count(*) filter (where w.aged_at is not null))::int as aged,
                   (count(*) filter (where w.rank < 4))::int as urgent, (count(*) filter (where w.latest < @Now))::int as past_window,
                   min(w.since) as oldest
            from waiting w join need n using (referral_id)
            where w.institution = @Institution
            group by 1, 2, 3
        ) i
        order by i.aged > 0 desc, i.urgent > 0 desc, i.oldest
        limit @Most
        """;

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, TimeProvider clock)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var issues = (await connection.QueryAsync<SlotIssue>(Select, new { caller.Institution, Now = clock.GetUtcNow(), Most })).AsList();
        return Reading.Send(http, new Page<SlotIssue>(issues));
    }
}
