using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Sessions;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <param name="PlannedAt">The round of the schedule this was; absent: it was not planned.</param>
/// <param name="MadeAt">When it was made, not in the future; now when absent.</param>
/// <param name="Clinician">Who made it, if not the one who was planned.</param>
internal sealed record RecordRoundRequest(DateTimeOffset? PlannedAt = null, DateTimeOffset? MadeAt = null, string? Clinician = null);

/// <summary>A round of the ward, planned or made or both.</summary>
internal sealed record WardRound(DateTimeOffset At, string Clinician, bool Planned, DateTimeOffset? MadeAt = null);

/// <summary>Rounds of a joint ward: what the schedule says, and what was made (查房).</summary>
internal static class MakeRounds
{
    private const int MostDays = 92;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/wards/{id:guid}/rounds", List).Read<Page<WardRound>>(
            "listRounds", "Wards", "Rounds of a joint ward by its schedule, with those that were made; for the institution and the hospital of the ward.",
            """{"items":[{"at":"2026-12-01T01:00:00+00:00","clinician":"dr-0001","planned":true,"madeAt":"2026-12-01T01:12:00+00:00"}]}""", 404);
        routes.MapPost("/wards/{id:guid}/rounds", Record).Command<RecordRoundRequest, WardRound>(
            "recordRound", "Wards", "Records that a round was made, a planned one or another one.",
            """{"plannedAt":"2026-12-01T09:00:00+08:00"}""", 201,
            """{"at":"2026-12-01T01:00:00+00:00","clinician":"dr-0001","planned":true,"madeAt":"2026-12-01T01:12:00+00:00"}""");
    }

    private static async Task<IResult> List(HttpContext http, Guid id, NpgsqlDataSource database, TimeProvider clock, string? from, string? to)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        var (first, last) = Days(checks, from, to, Hours.Day(clock.GetUtcNow()), MostDays);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (await GetWard.Find(database, id) is not { } ward || !ward.IsParty(caller))
            return await Roles.NoParty(database, clock, caller, "ward.rounds", id.ToString());
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var plan = await GetWard.Rounds(connection, id);
        var made = (await connection.QueryAsync<(DateTimeOffset PlannedAt, DateTimeOffset MadeAt, string Clinician)>("""
            select planned_at, made_at, clinician from ward_round_made where ward_id = @id and planned_at >= @from and planned_at < @until
            """, new { id, from = Hours.At(first, 0), until = Hours.At(last, 1440) })).ToDictionary(m => m.PlannedAt);
        var planned = Planned(plan, first, last).ToDictionary(p => p.At);
        var rounds = planned.Keys.Union(made.Keys).Order().Select(at => made.TryGetValue(at, out var m)
            ? new WardRound(at, m.Clinician, planned.ContainsKey(at), m.MadeAt)
            : new WardRound(at, planned[at].Clinician, true));
        return Reading.Send(http, new Page<WardRound>([.. rounds]));
    }

    private static async Task<IResult> Record(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<RecordRoundRequest>(http);
        if (command is null)
            return refused!;
        var (caller, request, now) = (command.Caller, command.Body, clock.GetUtcNow());
        var checks = new Checks();
        if (request.Clinician is not null)
            BindWard.CheckPerson(checks, request.Clinician, "/clinician");
        checks.That(request.MadeAt is null || request.MadeAt <= now.AddMinutes(5), "/madeAt", "Not in the future.", "不能晚于当前时间。");
        checks.That(request.PlannedAt is not null || request.Clinician is not null, "/clinician", "Needed where no planned round says who.", "未按计划查房时必填。");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (await GetWard.Find(database, id) is not { } ward || !ward.IsParty(caller))
            return await Roles.NoParty(database, clock, caller, "ward.round", id.ToString());
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            var made = request.MadeAt ?? change.Now;
            PlannedRound? plan = null;
            if (request.PlannedAt is { } at)
            {
                var day = Hours.Day(at);
                plan = Planned(await GetWard.Rounds(change.Connection, id), day, day).FirstOrDefault(p => p.At == at).Round;
                if (plan is null)
                    return SchedulingProblems.NoSuchRound;
            }
            var round = new WardRound(request.PlannedAt ?? made, request.Clinician ?? plan!.Clinician, plan is not null, made);
            var written = await change.Connection.ExecuteAsync("""
                insert into ward_round_made (ward_id, planned_at, made_at, clinician) values (@id, @At, @MadeAt, @Clinician)
                on conflict do nothing
                """, new { id, round.At, round.MadeAt, round.Clinician });
            if (written == 0)
                return SchedulingProblems.RoundMade;
            await change.Audit(caller, "ward.round", id);
            return Reply.Done(StatusCodes.Status201Created, round);
        }, http.RequestAborted);
    }

    private static IEnumerable<(DateTimeOffset At, PlannedRound Round, string Clinician)> Planned(IReadOnlyList<PlannedRound> plan, DateOnly first, DateOnly last)
    {
        for (var day = first; day <= last; day = day.AddDays(1))
            foreach (var round in plan.Where(r => r.Weekday == (day.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)day.DayOfWeek)))
                yield return (Hours.At(day, Hours.Minute(round.At)!.Value), round, round.Clinician);
    }

    /// <summary>A span of days out of the query: two weeks from <paramref name="today"/> on when it says nothing.</summary>
    public static (DateOnly First, DateOnly Last) Days(Checks checks, string? from, string? to, DateOnly today, int most)
    {
        var first = Reading.Day(from, "from", today, checks);
        var last = Reading.Day(to, "to", first.AddDays(13), checks);
        checks.That(last >= first && last.DayNumber - first.DayNumber < most, "to",
            $"Not before 'from', and at most {most} days in all.", $"不得早于 from，且最多 {most} 天。");
        return (first, last);
    }
}
