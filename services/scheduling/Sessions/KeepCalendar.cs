using Dapper;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Sessions;

/// <param name="Days">Days off and swapped working days.</param>
/// <param name="Everybody">True: for every institution that says nothing else; the role Operator alone may.</param>
internal sealed record CalendarRequest(IReadOnlyList<NewCalendarDay> Days, bool Everybody = false);

/// <param name="Works">False: a day off.</param>
/// <param name="LikeWeekday">A working day that replaces another (调休) works like weekday 1 … 7.</param>
internal sealed record NewCalendarDay(DateOnly On, bool Works, int? LikeWeekday = null);

/// <param name="Sessions">How many sessions were looked at again.</param>
internal sealed record CalendarKept(int Days, int Sessions);

/// <summary>Holidays with swapped working days (节假日调休), for one institution or for all.</summary>
internal static class KeepCalendar
{
    private const int Most = 400;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/calendar", Keep).Command<CalendarRequest, CalendarKept>(
            "keepCalendar", "Sessions", "Says which days are off and which are worked instead; sessions follow, and whoever held a slot that goes is booked elsewhere or waits.",
            """{"days":[{"on":"2027-01-01","works":false},{"on":"2027-01-09","works":true,"likeWeekday":5}]}""",
            200, """{"days":2,"sessions":7}""");
        routes.MapGet("/calendar", List).Read<Page<NewCalendarDay>>(
            "listCalendar", "Sessions", "Days off and swapped working days from today on, as they hold for an institution; your own when none is named.",
            """{"items":[{"on":"2027-01-01","works":false}]}""");
    }

    private static async Task<IResult> Keep(HttpContext http, Commands commands, SessionSlots slots)
    {
        var (command, refused) = await Commands.Read<CalendarRequest>(http);
        if (command is null)
            return refused!;
        if (Check(command.Body) is { } wrong)
            return new ProblemResult(wrong);
        var (caller, request) = (command.Caller, command.Body);
        if (!(request.Everybody ? caller.Role == Role.Operator : Roles.Publish.Contains(caller.Role)))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            await change.Connection.ExecuteAsync("""
                insert into calendar_day (institution, on_day, works, like_weekday)
                select @institution, on_day, works, like_weekday from unnest(@days, @works, @likes) as new (on_day, works, like_weekday)
                on conflict (institution, on_day) do update set works = excluded.works, like_weekday = excluded.like_weekday
                """, new
                {
                    institution = request.Everybody ? "" : caller.Institution,
                    days = request.Days.Select(d => d.On).ToArray(), works = request.Days.Select(d => d.Works).ToArray(),
                    likes = request.Days.Select(d => d.LikeWeekday).ToArray(),
                });
            var sessions = request.Everybody ? await LookAgain(change) : await Bring(change, slots, caller.Institution);
            await change.Audit(caller, "calendar.keep", request.Everybody ? "everybody" : caller.Institution);
            return Reply.Done(StatusCodes.Status200OK, new CalendarKept(request.Days.Count, sessions));
        }, http.RequestAborted);
    }

    // hundreds of institutions: the round that makes slots does it, session by session
    private static Task<int> LookAgain(Change change) => change.Connection.ExecuteAsync("""
        update session set made_until = '-infinity' where valid_until is null or valid_until >= (@Now at time zone 'Asia/Shanghai')::date
        """, new { change.Now });

    private static async Task<int> Bring(Change change, SessionSlots slots, string institution)
    {
        var sessions = (await change.Connection.QueryAsync<Session>($"""
            select {Session.Columns} from session
            where institution = @institution and (valid_until is null or valid_until >= (@Now at time zone 'Asia/Shanghai')::date)
            order by id
            for update
            """, new { institution, change.Now })).ToList();
        // all lines at once and sorted: two who do this never wait for each other
        await Waiting.Line.Pass(change, sessions.Select(s => Waiting.Line.Of(s.Institution, s.Department, s.Resource)));
        foreach (var session in sessions)
            await slots.Bring(change, session, "INSTITUTION_CLOSED");
        return sessions.Count;
    }

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, TimeProvider clock, string? institution)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var days = await connection.QueryAsync<CalendarDay>("""
            select distinct on (on_day) on_day, works, like_weekday
            from calendar_day
            where institution in (@institution, '') and on_day >= @today
            order by on_day, institution desc
            limit @Most
            """, new { institution = institution ?? caller.Institution, today = Hours.Day(clock.GetUtcNow()), Most });
        return Reading.Send(http, new Page<NewCalendarDay>([.. days.Select(d => new NewCalendarDay(d.OnDay, d.Works, d.LikeWeekday))]));
    }

    private static Problem? Check(CalendarRequest request)
    {
        var checks = new Checks();
        checks.That(request.Days is { Count: >= 1 and <= Most }, "/days", $"From 1 to {Most} days.", $"1 至 {Most} 天。");
        for (var i = 0; checks.Passed && i < request.Days!.Count; i++)
        {
            checks.Required(request.Days[i], $"/days/{i}");
            checks.That(request.Days[i]?.LikeWeekday is null || request.Days[i] is { Works: true, LikeWeekday: >= 1 and <= 7 }, $"/days/{i}/likeWeekday",
                "From 1 (Monday) to 7 (Sunday), and of a working day only.", "取值为 1（周一）至 7（周日），且仅用于工作日。");
        }
        if (checks.Passed)
            checks.That(request.Days!.DistinctBy(d => d.On).Count() == request.Days!.Count, "/days", "Each day once.", "每天只能出现一次。");
        return checks.Passed ? null : checks.Problem;
    }
}
