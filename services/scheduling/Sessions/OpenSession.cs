using Dapper;
using SchedulingService.Http;
using SchedulingService.Slots;
using ServiceDefaults.Http;

namespace SchedulingService.Sessions;

/// <param name="Department">Department code (诊疗科目), e.g. 03.03.</param>
/// <param name="Resource">Slot, Equipment, Reading, Session or Visit.</param>
internal sealed record OpenSessionRequest(string Department, string Resource, SessionPattern Pattern);

/// <param name="Slots">How many slots were made.</param>
/// <param name="Overlapping">How many were left out because the clinician already has a slot at that time.</param>
/// <param name="Withdrawn">How many slots went; whoever held one was moved or waits.</param>
/// <param name="Served">How many who waited were booked at once.</param>
internal sealed record SessionBrought(Guid Id, int Version, int Slots, int Overlapping, int Withdrawn, int Served);

/// <summary>An institution opens a session (坐诊): a weekly timetable whose slots are made by themselves, four weeks ahead.</summary>
internal static class OpenSession
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/sessions", Open).Command<OpenSessionRequest, SessionBrought>(
            "openSession", "Sessions", "Opens a session of your institution: a clinic, a device, readers or a round of home visits; its slots are made by themselves.",
            """{"department":"03.03","resource":"Slot","pattern":{"weekdays":[1,3,5],"from":"08:00","until":"11:30","slotMinutes":15,"validFrom":"2026-12-01","clinician":"dr-0001","place":"门诊楼三层302诊室"}}""",
            201, """{"id":"6f0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b05","version":1,"slots":168,"overlapping":0,"withdrawn":0,"served":2}""");

    private static async Task<IResult> Open(HttpContext http, Commands commands, SessionSlots slots)
    {
        var (command, refused) = await Commands.Read<OpenSessionRequest>(http);
        if (command is null)
            return refused!;
        if (Check(command.Body) is { } wrong)
            return new ProblemResult(wrong);
        if (!Roles.Publish.Contains(command.Caller.Role))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            var request = command.Body;
            var session = request.Pattern.Of(Guid.NewGuid(), command.Caller.Institution, request.Department, request.Resource);
            await change.Connection.ExecuteAsync("""
                insert into session (id, institution, department, resource, clinician, weekdays, from_minute, until_minute,
                    slot_minutes, capacity, valid_from, valid_until, on_holidays, place, reserved_for, release_hours, made_until, created_at)
                values (@Id, @Institution, @Department, @Resource, @Clinician, @Weekdays, @FromMinute, @UntilMinute,
                    @SlotMinutes, @Capacity, @ValidFrom, @ValidUntil, @OnHolidays, @Place, @ReservedFor, @ReleaseHours, '-infinity', @now)
                """, WithTime(session, change));
            var brought = await slots.Bring(change, session, "INSTITUTION_CLOSED");
            await change.Audit(command.Caller, "session.open", session.Id);
            return Reply.Done(StatusCodes.Status201Created, Answer(session.Id, 1, brought), ETags.Of(1), $"/v1/sessions/{session.Id}");
        }, http.RequestAborted);
    }

    public static SessionBrought Answer(Guid id, int version, Brought brought) =>
        new(id, version, brought.Made, brought.Overlapping, brought.Withdrawn, brought.Served);

    public static DynamicParameters WithTime(Session session, Change change)
    {
        var parameters = new DynamicParameters(session);
        parameters.Add("now", change.Now);
        return parameters;
    }

    private static Problem? Check(OpenSessionRequest request)
    {
        var checks = new Checks();
        checks.That(request.Department is not null && PublishSlots.DepartmentCode().IsMatch(request.Department), "/department",
            "A department code of two digits, or with two more after a dot, is needed, e.g. 03.03.", "需要诊疗科目代码，例如 03.03。");
        checks.That(Resources.Timed.Contains(request.Resource), "/resource",
            "One of Slot, Equipment, Reading, Session, Visit; beds belong to wards.", "取值为 Slot、Equipment、Reading、Session、Visit；床位请在病区中设置。");
        checks.Required(request.Pattern, "/pattern");
        request.Pattern?.Check(checks, "/pattern");
        return checks.Passed ? null : checks.Problem;
    }
}
