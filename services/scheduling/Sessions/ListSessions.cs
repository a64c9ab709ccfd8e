using Dapper;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Sessions;

/// <summary>A session as everybody may see it; hours are China's.</summary>
internal sealed record SessionDetail
{
    public required Guid Id { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public required SessionPattern Pattern { get; init; }
    /// <summary>Days from today on that are not as the pattern says; in the detail alone.</summary>
    public IReadOnlyList<ExceptDay>? Except { get; init; }
    /// <summary>Slots stand up to and including this day.</summary>
    public required DateOnly MadeUntil { get; init; }
    public required int Version { get; init; }
}

/// <summary>The timetables of an institution.</summary>
internal static class ListSessions
{
    private const string Example = """{"id":"6f0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b05","institution":"12210600DEM0000149","department":"03.03","resource":"Slot","pattern":{"weekdays":[1,3,5],"from":"08:00","until":"11:30","validFrom":"2026-12-01","slotMinutes":15,"capacity":1,"clinician":"dr-0001","onHolidays":false,"place":"门诊楼三层302诊室"},"madeUntil":"2026-12-29","version":1}""";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/sessions", List).Read<Page<SessionDetail>>(
            "listSessions", "Sessions", "Sessions of an institution that are not over; of your own when none is named.", $$"""{"items":[{{Example}}]}""");
        routes.MapGet("/sessions/{id:guid}", Get).Read<SessionDetail>(
            "getSession", "Sessions", "One session with its coming exceptions.", Example, 404);
    }

    private const string Select = $"""
        select {Session.Columns} from session
        where institution = @institution and (@department::text is null or department = @department)
          and (valid_until is null or valid_until >= @today)
          and (department, id) > (@afterDepartment, @afterId)
        order by department, id
        limit @rows
        """;

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, Cursors cursors, TimeProvider clock,
        string? institution, string? department, string? limit, string? cursor)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        Reading.Code(department, "department", checks);
        var rows = Reading.Limit(limit, checks);
        var list = $"sessions?{institution}&{department}";
        var (afterDepartment, afterId) = ("", Guid.Empty);
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor) is { } position)
                (afterId, afterDepartment) = (Guid.Parse(position[..36]), position[36..]);
            else
                checks.Add("cursor", "This cursor is not one of this list.", "该游标不属于此列表。");
        }
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var sessions = (await connection.QueryAsync<Session>(Select, new
        {
            institution = institution ?? caller.Institution, department, today = Hours.Day(clock.GetUtcNow()), afterDepartment, afterId, rows = rows + 1,
        })).Select(s => Detail(s)).ToList();
        return Reading.SendPage(http, sessions, rows, s => cursors.Seal(list, s.Id + s.Department));
    }

    private static async Task<IResult> Get(HttpContext http, Guid id, NpgsqlDataSource database, TimeProvider clock)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        if (await Find(database, id) is not { } session)
            return new ProblemResult(Problems.NotFound);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var exceptions = await connection.QueryAsync<SessionException>("""
            select on_day, from_minute, until_minute from session_exception where session_id = @id and on_day >= @today order by on_day
            """, new { id, today = Hours.Day(clock.GetUtcNow()) });
        return Reading.Send(http, Detail(session) with
        {
            Except = [.. exceptions.Select(e => new ExceptDay(e.OnDay, Text(e.FromMinute), Text(e.UntilMinute)))],
        }, ETags.Of(session.Version));
    }

    public static async Task<Session?> Find(NpgsqlDataSource database, Guid id)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.QuerySingleOrDefaultAsync<Session>($"select {Session.Columns} from session where id = @id", new { id });
    }

    private static SessionDetail Detail(Session s) => new()
    {
        Id = s.Id, Institution = s.Institution, Department = s.Department, Resource = s.Resource, MadeUntil = s.MadeUntil, Version = s.Version,
        Pattern = new(s.Weekdays, Hours.Text(s.FromMinute), Hours.Text(s.UntilMinute), s.ValidFrom, s.ValidUntil, s.SlotMinutes, s.Capacity,
            s.Clinician, s.OnHolidays, s.Place, s.ReservedFor, s.ReleaseHours),
    };

    private static string? Text(int? minute) => minute is { } m ? Hours.Text(m) : null;
}
