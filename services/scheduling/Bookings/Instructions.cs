using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Slots;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <param name="Resource">Kind of place.</param>
/// <param name="Bring">What to bring, in Chinese, one thing each; empty: what is usual for that kind.</param>
/// <param name="Department">Department code; absent: every department without a line of its own.</param>
/// <param name="Place">Where to go, in Chinese, where slot and ward do not say it.</param>
internal sealed record Instruction(string Resource, IReadOnlyList<string> Bring, string? Department = null, string? Place = null);

/// <summary>What a patient is told beside day and hour: where to go and what to bring (就诊须知).</summary>
internal static class Instructions
{
    private const int MostThings = 20;
    private const string Example = """{"resource":"Equipment","bring":["身份证或社保卡","检查申请单","检查当日空腹"],"department":"32.02","place":"医技楼一层"}""";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/instructions", Keep).Command<Instruction, Instruction>(
            "keepInstruction", "Bookings", "Says where patients of your institution go and what they bring, for a kind of place.", Example, 200, Example);
        routes.MapGet("/instructions", List).Read<Page<Instruction>>(
            "listInstructions", "Bookings", "What an institution tells patients beside day and hour; your own when none is named.", $$"""{"items":[{{Example}}]}""");
    }

    /// <summary>What is usual; an institution that says something else is heard.</summary>
    public static IReadOnlyList<string> Usual(string resource) => resource switch
    {
        Resources.Bed or Resources.Ward => ["身份证或社保卡", "转诊单", "预约码", "既往病历和检查结果", "正在服用的药品", "住院生活用品"],
        Resources.Equipment => ["身份证或社保卡", "转诊单和检查申请单", "预约码", "既往检查结果", "检查前准备（如空腹）请遵医嘱"],
        Resources.Visit => ["身份证或社保卡", "回转单或出院小结", "正在服用的药品"],
        Resources.Session => ["身份证或社保卡", "转诊单", "既往病历和检查结果"],
        Resources.Reading => [],
        _ => ["身份证或社保卡", "转诊单", "预约码", "既往病历和检查结果"],
    };

    /// <summary>What is told of each of these bookings, as <see cref="GetBooking"/> shows it.</summary>
    public static async Task<Dictionary<Guid, Instruction>> Of(NpgsqlConnection connection, Guid[] bookings)
    {
        var rows = await connection.QueryAsync<(Guid Id, string Resource, string? Place, string[]? Bring)>("""
            select b.id, b.resource, coalesce(s.place, wd.place, i.place) as place, i.bring
            from booking b
            left join bed bd on bd.id = b.bed_id
            left join ward wd on wd.id = bd.ward_id
            left join slot s on s.id = b.slot_id
            left join lateral (
                select place, bring from instruction
                where institution = b.institution and department in (b.department, '') and resource = b.resource
                order by department desc
                limit 1
            ) i on true
            where b.id = any (@bookings)
            """, new { bookings });
        return rows.ToDictionary(r => r.Id, r => new Instruction(r.Resource, r.Bring is { Length: > 0 } bring ? bring : Usual(r.Resource), Place: r.Place));
    }

    private static async Task<IResult> Keep(HttpContext http, Commands commands)
    {
        var (command, refused) = await Commands.Read<Instruction>(http);
        if (command is null)
            return refused!;
        var request = command.Body;
        var checks = new Checks();
        checks.That(Resources.All.Contains(request.Resource), "/resource",
            "One of Slot, Bed, Equipment, Reading, Session, Ward, Visit.", "取值为 Slot、Bed、Equipment、Reading、Session、Ward、Visit。");
        checks.That(request.Department is null || PublishSlots.DepartmentCode().IsMatch(request.Department), "/department",
            "A department code of two digits, or with two more after a dot, is needed, e.g. 03.03.", "需要诊疗科目代码，例如 03.03。");
        Reading.Label(request.Place, "/place", 80, checks, required: false);
        checks.That(request.Bring is { Count: <= MostThings }, "/bring", $"At most {MostThings} things.", $"最多 {MostThings} 项。");
        for (var i = 0; checks.Passed && i < request.Bring!.Count; i++)
            Reading.Label(request.Bring[i], $"/bring/{i}", 60, checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (!Roles.Publish.Contains(command.Caller.Role))
            return new ProblemResult(Problems.Forbidden);
        return await commands.Run(command.Key, async change =>
        {
            await change.Connection.ExecuteAsync("""
                insert into instruction (institution, department, resource, place, bring) values (@Institution, @department, @Resource, @Place, @bring)
                on conflict (institution, department, resource) do update set place = excluded.place, bring = excluded.bring
                """, new { command.Caller.Institution, department = request.Department ?? "", request.Resource, request.Place, bring = request.Bring.ToArray() });
            await change.Audit(command.Caller, "instruction.keep", $"{request.Department}/{request.Resource}");
            return Reply.Done(StatusCodes.Status200OK, request);
        }, http.RequestAborted);
    }

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, string? institution)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var rows = await connection.QueryAsync<(string Resource, string[] Bring, string Department, string? Place)>("""
            select resource, bring, department, place from instruction where institution = @institution order by resource, department limit 500
            """, new { institution = institution ?? caller.Institution });
        return Reading.Send(http, new Page<Instruction>([.. rows.Select(r => new Instruction(r.Resource, r.Bring, r.Department.Length == 0 ? null : r.Department, r.Place))]));
    }
}
