using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Sessions;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <param name="Hospital">The hospital that runs the ward together with yours (unified social credit code).</param>
/// <param name="Director">Id of the hospital's doctor who leads it.</param>
/// <param name="HeadNurse">Id of its head nurse.</param>
/// <param name="Rounds">Rounds of each week.</param>
/// <param name="Place">Where it is, in Chinese; patients read it.</param>
/// <param name="Eligibility">The set it takes from now on; absent: that it was opened with. Who has a bed keeps it.</param>
internal sealed record BindWardRequest(
    string Hospital, string Director, string HeadNurse, IReadOnlyList<PlannedRound> Rounds, string? Place = null, string? Eligibility = null);

/// <param name="Weekday">1 Monday … 7 Sunday.</param>
/// <param name="At">Hour in China, e.g. 09:00.</param>
/// <param name="Clinician">Id of the doctor who makes it.</param>
internal sealed record PlannedRound(int Weekday, string At, string Clinician);

/// <param name="Version">Grows with each binding.</param>
/// <param name="Served">How many who waited were booked into its beds at once.</param>
internal sealed record WardBound(Guid Id, int Version, int Served);

/// <summary>
/// A ward becomes a rehab joint ward (康复联合病房): a hospital's director and head nurse, rounds on a schedule. Whom it
/// takes is its eligibility set: which diagnoses belong to a set, the referral service alone knows.
/// </summary>
internal static class BindWard
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/wards/{id:guid}/bind", Bind).Command<BindWardRequest, WardBound>(
            "bindWard", "Wards", "Binds a ward of your institution that has an eligibility set, or is given one here, to a hospital: director, head nurse, weekly rounds. It replaces what stood there.",
            """{"hospital":"12210600DEM0000149","director":"dr-0001","headNurse":"nurse-0001","rounds":[{"weekday":2,"at":"09:00","clinician":"dr-0001"}],"place":"住院楼二层"}""",
            200, """{"id":"5d0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b02","version":2,"served":0}""");

    private static async Task<IResult> Bind(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<BindWardRequest>(http);
        if (command is null)
            return refused!;
        var (caller, request) = (command.Caller, command.Body);
        if (Check(caller, request) is { } wrong)
            return new ProblemResult(wrong);
        if (await GetWard.Find(database, id) is not { } ward || ward.Institution != caller.Institution)
            return await Roles.NoParty(database, clock, caller, "ward.bind", id.ToString());
        if (!Roles.Publish.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            if (await EligibilitySets.Unknown(change.Connection, request.Eligibility) is { } unknown)
                return unknown;
            var line = Line.Of(ward.Institution, ward.Department, Resources.Bed);
            await Line.Pass(change, [line]);
            var bound = await change.Connection.QuerySingleOrDefaultAsync<int?>("""
                update ward set hospital = @Hospital, director = @Director, head_nurse = @HeadNurse, place = @Place,
                    eligibility = coalesce(@Eligibility, eligibility), version = version + 1
                -- a ward without a set takes anyone, and a joint ward never does
                where id = @id and coalesce(@Eligibility, eligibility) is not null
                returning version
                """, new { id, request.Hospital, request.Director, request.HeadNurse, request.Place, request.Eligibility });
            if (bound is not { } version)
                return SchedulingProblems.WardOpenToAll;
            await change.Connection.ExecuteAsync("""
                delete from ward_round where ward_id = @id;
                insert into ward_round (ward_id, weekday, at_minute, clinician)
                select @id, weekday, at_minute, clinician from unnest(@weekdays, @minutes, @clinicians) as new (weekday, at_minute, clinician)
                """, new
                {
                    id, weekdays = request.Rounds.Select(r => r.Weekday).ToArray(), minutes = request.Rounds.Select(r => Hours.Minute(r.At)!.Value).ToArray(),
                    clinicians = request.Rounds.Select(r => r.Clinician).ToArray(),
                });
            var served = await ServeLine.Serve(change, line);
            await change.Audit(caller, "ward.bind", id);
            return Reply.Done(StatusCodes.Status200OK, new WardBound(id, version, served.Count));
        }, http.RequestAborted);
    }

    private static Problem? Check(Caller caller, BindWardRequest request)
    {
        var checks = new Checks();
        checks.That(request.Hospital is { Length: 18 } && request.Hospital.All(char.IsAsciiLetterOrDigit) && request.Hospital != caller.Institution, "/hospital",
            "The unified social credit code of another institution: 18 digits and letters.", "应为另一机构的 18 位统一社会信用代码。");
        CheckPerson(checks, request.Director, "/director");
        CheckPerson(checks, request.HeadNurse, "/headNurse");
        checks.That(request.Rounds is { Count: <= 50 } && request.Rounds.All(r => r is not null), "/rounds", "At most 50 rounds.", "最多 50 次查房。");
        for (var i = 0; checks.Passed && i < request.Rounds!.Count; i++)
        {
            checks.That(request.Rounds[i].Weekday is >= 1 and <= 7, $"/rounds/{i}/weekday", "From 1 (Monday) to 7 (Sunday).", "取值为 1（周一）至 7（周日）。");
            checks.That(Hours.Minute(request.Rounds[i].At) is < 1440, $"/rounds/{i}/at", "An hour such as 09:00 is needed.", "需要时间，例如 09:00。");
            CheckPerson(checks, request.Rounds[i].Clinician, $"/rounds/{i}/clinician");
        }
        if (checks.Passed)
            checks.That(request.Rounds!.DistinctBy(r => (r.Weekday, r.At)).Count() == request.Rounds!.Count, "/rounds", "Each hour once.", "同一时间只能安排一次查房。");
        Reading.Label(request.Place, "/place", 80, checks, required: false);
        checks.Text(request.Eligibility, "/eligibility", 40, required: false);
        return checks.Passed ? null : checks.Problem;
    }

    public static void CheckPerson(Checks checks, string? id, string at) =>
        checks.That(id is not null && PublishSlots.ClinicianId().IsMatch(id), at,
            "The id of a person, never a name: letters, digits, hyphen, at most 40.", "人员编号（非姓名）：字母、数字、连字符，最多 40 个字符。");
}
