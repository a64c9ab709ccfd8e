using Dapper;
using SchedulingService.Http;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Http;

namespace SchedulingService.Pools;

/// <param name="Department">Department code (诊疗科目).</param>
/// <param name="Resource">Slot, Equipment, Reading, Session or Visit.</param>
/// <param name="PerWeek">Reserved places one clinic may take in a week (Monday to Sunday, China).</param>
/// <param name="Sender">The clinic; absent: every clinic that has no line of its own.</param>
internal sealed record KeepQuotaRequest(string Department, string Resource, int PerWeek, string? Sender = null);

/// <param name="Served">How many who waited were booked at once.</param>
internal sealed record QuotaKept(string Department, string Resource, int PerWeek, string? Sender, int Served);

/// <summary>How many reserved slots a clinic may take in a week.</summary>
internal static class KeepQuota
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/pools/quota", Keep).Command<KeepQuotaRequest, QuotaKept>(
            "keepQuota", "Pools", "Says how many reserved slots of your institution one clinic, or each clinic, may take in a week.",
            """{"department":"03.03","resource":"Slot","perWeek":5}""", 200, """{"department":"03.03","resource":"Slot","perWeek":5,"served":0}""");

    private static async Task<IResult> Keep(HttpContext http, Commands commands)
    {
        var (command, refused) = await Commands.Read<KeepQuotaRequest>(http);
        if (command is null)
            return refused!;
        var request = command.Body;
        var checks = new Checks();
        checks.That(request.Department is not null && PublishSlots.DepartmentCode().IsMatch(request.Department), "/department",
            "A department code of two digits, or with two more after a dot, is needed, e.g. 03.03.", "需要诊疗科目代码，例如 03.03。");
        checks.That(Resources.Timed.Contains(request.Resource), "/resource",
            "One of Slot, Equipment, Reading, Session, Visit.", "取值为 Slot、Equipment、Reading、Session、Visit。");
        checks.That(request.PerWeek is >= 0 and <= 10000, "/perWeek", "From 0 to 10000.", "0 至 10000。");
        Reading.Code(request.Sender, "/sender", checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (!Roles.Publish.Contains(command.Caller.Role))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            var line = Line.Of(command.Caller.Institution, request.Department, request.Resource);
            await Line.Pass(change, [line]);
            await change.Connection.ExecuteAsync("""
                insert into pool_quota (institution, department, resource, sender, per_week)
                values (@Institution, @Department, @Resource, @sender, @PerWeek)
                on conflict (institution, department, resource, sender) do update set per_week = excluded.per_week
                """, new { command.Caller.Institution, request.Department, request.Resource, sender = request.Sender ?? "", request.PerWeek });
            // a higher quota may let in somebody who waits
            var served = await ServeLine.Serve(change, line);
            await change.Audit(command.Caller, "pool.quota", $"{request.Department}/{request.Resource}/{request.Sender}");
            return Reply.Done(StatusCodes.Status200OK, new QuotaKept(request.Department!, request.Resource, request.PerWeek, request.Sender, served.Count));
        }, http.RequestAborted);
    }
}
