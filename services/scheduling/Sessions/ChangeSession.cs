using Dapper;
using Npgsql;
using SchedulingService.Bookings;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Sessions;

/// <param name="Pattern">The whole new timetable, from now on.</param>
/// <param name="Reason">What those are told whose slot goes: a code as for a cancellation.</param>
internal sealed record ChangeSessionRequest(SessionPattern Pattern, string Reason);

/// <param name="Days">Single days that are not as the pattern says.</param>
/// <param name="Reason">What those are told whose slot goes: a code as for a cancellation.</param>
internal sealed record ExceptDaysRequest(IReadOnlyList<ExceptDay> Days, string Reason);

/// <param name="From">Other hours on that day, also on a day without session; absent together with until: closed.</param>
internal sealed record ExceptDay(DateOnly On, string? From = null, string? Until = null);

/// <summary>
/// A session is changed: its slots become what the new timetable says. Slots that stay keep their patients; whoever
/// held one that goes gets the nearest other one or waits, and hears of it.
/// </summary>
internal static class ChangeSession
{
    private const int MostDays = 100;
    private const string Answer = """{"id":"6f0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b05","version":2,"slots":12,"overlapping":0,"withdrawn":8,"served":0}""";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/sessions/{id:guid}/change", Change).Command<ChangeSessionRequest, SessionBrought>(
            "changeSession", "Sessions", "Gives a session another timetable; an end is a validUntil. Whoever held a slot that goes is booked elsewhere or waits.",
            """{"reason":"CLINICIAN_ABSENT","pattern":{"weekdays":[1,3],"from":"08:00","until":"11:30","slotMinutes":15,"validFrom":"2026-12-01","clinician":"dr-0001"}}""",
            200, Answer).NeedsIfMatch();
        routes.MapPost("/sessions/{id:guid}/except", Except).Command<ExceptDaysRequest, SessionBrought>(
            "exceptDays", "Sessions", "Closes a session on single days, or gives them other hours (停诊、加诊).",
            """{"reason":"CLINICIAN_ABSENT","days":[{"on":"2026-12-07"},{"on":"2026-12-12","from":"08:00","until":"10:00"}]}""",
            200, Answer).NeedsIfMatch();
    }

    private static async Task<IResult> Change(HttpContext http, Guid id, Commands commands, SessionSlots slots, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<ChangeSessionRequest>(http);
        if (command is null)
            return refused!;
        var checks = new Checks();
        EndingReason.Check(checks, command.Body.Reason);
        checks.Required(command.Body.Pattern, "/pattern");
        command.Body.Pattern?.Check(checks, "/pattern");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        return await Run(http, id, command.Caller, command.Key, commands, slots, database, clock, command.Body.Reason, "session.change",
            async (change, session) =>
            {
                var changed = command.Body.Pattern!.Of(id, session.Institution, session.Department, session.Resource);
                await change.Connection.ExecuteAsync("""
                    update session set
                        clinician = @Clinician, weekdays = @Weekdays, from_minute = @FromMinute, until_minute = @UntilMinute,
                        slot_minutes = @SlotMinutes, capacity = @Capacity, valid_from = @ValidFrom, valid_until = @ValidUntil,
                        on_holidays = @OnHolidays, place = @Place, reserved_for = @ReservedFor, release_hours = @ReleaseHours
                    where id = @Id
                    """, changed);
                return changed;
            });
    }

    private static async Task<IResult> Except(HttpContext http, Guid id, Commands commands, SessionSlots slots, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<ExceptDaysRequest>(http);
        if (command is null)
            return refused!;
        if (Check(command.Body) is { } wrong)
            return new ProblemResult(wrong);
        return await Run(http, id, command.Caller, command.Key, commands, slots, database, clock, command.Body.Reason, "session.except",
            async (change, session) =>
            {
                var days = command.Body.Days;
                await change.Connection.ExecuteAsync("""
                    insert into session_exception (session_id, on_day, from_minute, until_minute)
                    select @id, on_day, from_minute, until_minute
                    from unnest(@days, @froms, @untils) as new (on_day, from_minute, until_minute)
                    on conflict (session_id, on_day) do update set from_minute = excluded.from_minute, until_minute = excluded.until_minute
                    """, new
                    {
                        id, days = days.Select(d => d.On).ToArray(),
                        froms = days.Select(d => Hours.Minute(d.From)).ToArray(), untils = days.Select(d => Hours.Minute(d.Until)).ToArray(),
                    });
                return session;
            });
    }

    private static async Task<IResult> Run(HttpContext http, Guid id, Caller caller, IdempotencyKey key, Commands commands, SessionSlots slots,
        NpgsqlDataSource database, TimeProvider clock, string reason, string action, Func<Change, Session, Task<Session>> step)
    {
        if (await ListSessions.Find(database, id) is not { } seen || seen.Institution != caller.Institution)
            return await Roles.NoParty(database, clock, caller, action, id.ToString());
        if (!Roles.Publish.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        return await commands.Run(key, async change =>
        {
            var session = await change.Connection.QuerySingleAsync<Session>($"select {Session.Columns} from session where id = @id for update", new { id });
            if (ETags.Check(http.Request, session.Version) is { } stale)
                return stale;
            var brought = await slots.Bring(change, await step(change, session), reason);
            await change.Connection.ExecuteAsync("update session set version = version + 1 where id = @id", new { id });
            await change.Audit(caller, action, id);
            return Reply.Done(StatusCodes.Status200OK, OpenSession.Answer(id, session.Version + 1, brought), ETags.Of(session.Version + 1));
        }, http.RequestAborted);
    }

    private static Problem? Check(ExceptDaysRequest request)
    {
        var checks = new Checks();
        EndingReason.Check(checks, request.Reason);
        checks.That(request.Days is { Count: >= 1 and <= MostDays }, "/days", $"From 1 to {MostDays} days.", $"1 至 {MostDays} 天。");
        for (var i = 0; checks.Passed && i < request.Days!.Count; i++)
        {
            checks.Required(request.Days[i], $"/days/{i}");
            if (request.Days[i] is { From: null, Until: null } or null)
                continue;
            SessionPattern.CheckHours(checks, request.Days[i].From, request.Days[i].Until, $"/days/{i}");
        }
        if (checks.Passed)
            checks.That(request.Days!.DistinctBy(d => d.On).Count() == request.Days!.Count, "/days", "Each day once.", "每天只能出现一次。");
        return checks.Passed ? null : checks.Problem;
    }
}
