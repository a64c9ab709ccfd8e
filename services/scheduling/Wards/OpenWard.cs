using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <param name="Name">Name of the ward (病区), unique in the institution.</param>
/// <param name="Department">Department code (诊疗科目), e.g. 21.</param>
/// <param name="Beds">Labels of its beds; may be empty.</param>
/// <param name="Eligibility">The set a patient must belong to, e.g. RehabJointWard (康复联合病房); absent: open to everybody.</param>
internal sealed record OpenWardRequest(string Name, string Department, IReadOnlyList<string> Beds, string? Eligibility = null);

/// <param name="Served">How many who waited were booked into its beds at once.</param>
internal sealed record WardOpened(Guid Id, int Beds, int Served);

/// <summary>An institution opens a ward; who waits for a bed of that kind is booked at once.</summary>
internal static class OpenWard
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/wards", Open).Command<OpenWardRequest, WardOpened>(
            "openWard", "Wards", "Opens a ward of your institution with its beds; who waits for a bed is booked at once.",
            """{"name":"前阳康复联合病房","department":"21","beds":["01","02","03"],"eligibility":"RehabJointWard"}""",
            201, """{"id":"5d0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b02","beds":3,"served":0}""", 409);

    private static async Task<IResult> Open(HttpContext http, Commands commands)
    {
        var (command, refused) = await Commands.Read<OpenWardRequest>(http);
        if (command is null)
            return refused!;
        if (Check(command.Body) is { } wrong)
            return new ProblemResult(wrong);
        if (!Roles.Publish.Contains(command.Caller.Role))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            var (request, institution, id) = (command.Body, command.Caller.Institution, Guid.NewGuid());
            var line = Line.Of(institution, request.Department, Resources.Bed);
            if (await EligibilitySets.Unknown(change.Connection, request.Eligibility) is { } unknown)
                return unknown;
            await Line.Pass(change, [line]);
            try
            {
                await change.Connection.ExecuteAsync("""
                    insert into ward (id, institution, department, name, eligibility, created_at)
                    values (@id, @institution, @Department, @Name, @Eligibility, @Now);
                    insert into bed (id, ward_id, label)
                    select gen_random_uuid(), @id, label from unnest(@beds) label
                    """, new
                    {
                        id, institution, request.Department, request.Name, request.Eligibility, change.Now,
                        beds = request.Beds.ToArray(),
                    });
            }
            catch (PostgresException e) when (e.ConstraintName == "ward_institution_name_key")
            {
                return SchedulingProblems.WardExists;
            }
            var served = await ServeLine.Serve(change, line);
            await change.Audit(command.Caller, "ward.open", id);
            return Reply.Done(StatusCodes.Status201Created, new WardOpened(id, request.Beds.Count, served.Count));
        }, http.RequestAborted);
    }

    private static Problem? Check(OpenWardRequest request)
    {
        var checks = new Checks();
        Reading.Label(request.Name, "/name", 80, checks);
        checks.That(request.Department is not null && PublishSlots.DepartmentCode().IsMatch(request.Department), "/department",
            "A department code of two digits, or with two more after a dot, is needed, e.g. 21.", "需要诊疗科目代码，例如 21。");
        checks.Text(request.Eligibility, "/eligibility", 40, required: false);
        ChangeBeds.CheckLabels(checks, request.Beds, least: 0);
        return checks.Passed ? null : checks.Problem;
    }
}
