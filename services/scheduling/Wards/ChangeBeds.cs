using Dapper;
using Npgsql;
using SchedulingService.Bookings;
using SchedulingService.Http;
using SchedulingService.Slots;
using SchedulingService.Waiting;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <param name="Beds">Labels of the new beds; one that was withdrawn comes back.</param>
internal sealed record AddBedsRequest(IReadOnlyList<string> Beds);

/// <param name="Beds">Labels of the beds that go.</param>
/// <param name="Reason">A code as for a cancellation; those a bed was kept for are told.</param>
internal sealed record WithdrawBedsRequest(IReadOnlyList<string> Beds, string Reason);

/// <param name="Beds">How many beds the ward has now.</param>
/// <param name="Served">How many who waited were booked at once.</param>
internal sealed record BedsChanged(Guid Id, int Beds, int Served);

/// <summary>Beds of a ward come and go. A bed somebody lies in cannot go; one that was kept for somebody is replaced, or he waits.</summary>
internal static class ChangeBeds
{
    private const int Most = 500;
    private const string Answer = """{"id":"5d0b8a44-7c55-4c8e-9a8d-0d4f3f0f7b02","beds":10,"served":2}""";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/wards/{id:guid}/add-beds", Add).Command<AddBedsRequest, BedsChanged>(
            "addBeds", "Wards", "Adds beds to a ward of your institution; who waits for a bed is booked at once.", """{"beds":["09","10"]}""", 200, Answer);
        routes.MapPost("/wards/{id:guid}/withdraw-beds", Withdraw).Command<WithdrawBedsRequest, BedsChanged>(
            "withdrawBeds", "Wards", "Takes beds out of use; for whom one was kept gets another one or waits, and hears of it.",
            """{"beds":["03"],"reason":"BED_LOST"}""", 200, Answer);
    }

    private sealed record Ward(Guid Id, string Institution, string Department);

    private static async Task<IResult> Add(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<AddBedsRequest>(http);
        if (command is null)
            return refused!;
        var checks = new Checks();
        CheckLabels(checks, command.Body.Beds);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        return await Run(http, id, command.Caller, command.Key, commands, database, clock, "ward.add-beds", async change =>
        {
            var beds = command.Body.Beds.ToArray();
            // one that is there already stays as it is: the same list twice adds nothing
            await change.Connection.ExecuteAsync("""
                insert into bed (id, ward_id, label) select gen_random_uuid(), @id, label from unnest(@beds) label
                on conflict (ward_id, label) do update set withdrawn_at = null, withdrawn_reason = null where bed.withdrawn_at is not null
                """, new { id, beds });
            return null;
        });
    }

    private static async Task<IResult> Withdraw(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<WithdrawBedsRequest>(http);
        if (command is null)
            return refused!;
        var checks = new Checks();
        CheckBeds(checks, command.Body.Beds);
        EndingReason.Check(checks, command.Body.Reason);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        return await Run(http, id, command.Caller, command.Key, commands, database, clock, "ward.withdraw-beds", async change =>
        {
            var beds = command.Body.Beds.ToArray();
            var known = (await change.Connection.QueryAsync<(string Label, bool InUse)>("""
                select label, exists (select from booking k where k.bed_id = bed.id and k.state = 'Used') as in_use
                from bed where ward_id = @id and label = any (@beds) and withdrawn_at is null
                """, new { id, beds })).ToDictionary(b => b.Label, b => b.InUse);
            if (Array.FindIndex(beds, b => !known.ContainsKey(b)) is >= 0 and var missing)
                return new Problem(SchedulingProblems.PlaceGone) { Errors = [new($"/beds/{missing}", new("The ward has no such bed.", "该病区没有此床位。"))] };
            if (Array.FindIndex(beds, b => known[b]) is >= 0 and var used)
                return new Problem(SchedulingProblems.PlaceInUse) { Errors = [new($"/beds/{used}", new("A patient lies in it.", "该床位有患者在住。"))] };
            await change.Connection.ExecuteAsync("""
                update bed set withdrawn_at = @Now, withdrawn_reason = @Reason where ward_id = @id and label = any (@beds)
                """, new { id, beds, command.Body.Reason, change.Now });
            return null;
        });
    }

    private static async Task<IResult> Run(HttpContext http, Guid id, Caller caller, IdempotencyKey key, Commands commands,
        NpgsqlDataSource database, TimeProvider clock, string action, Func<Change, Task<Problem?>> step)
    {
        Ward? ward;
        await using (var connection = await database.OpenConnectionAsync(http.RequestAborted))
            ward = await connection.QuerySingleOrDefaultAsync<Ward>("select id, institution, department from ward where id = @id", new { id });
        if (ward is null || ward.Institution != caller.Institution)
            return await Roles.NoParty(database, clock, caller, action, id.ToString());
        if (!Roles.Publish.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        return await commands.Run(key, async change =>
        {
            var line = Line.Of(ward.Institution, ward.Department, Resources.Bed);
            await Line.Pass(change, [line]);
            if (await step(change) is { } refusal)
                return refusal;
            await MoveHolders.Of(change, line);
            var served = await ServeLine.Serve(change, line);
            var beds = await change.Connection.QuerySingleAsync<int>(
                "select count(*)::int from bed where ward_id = @id and withdrawn_at is null", new { id });
            await change.Audit(caller, action, id);
            return Reply.Done(StatusCodes.Status200OK, new BedsChanged(id, beds, served.Count));
        }, http.RequestAborted);
    }

    /// <summary>The labels of new beds.</summary>
    public static void CheckLabels(Checks checks, IReadOnlyList<string>? beds, int least = 1)
    {
        CheckBeds(checks, beds, least);
        for (var i = 0; checks.Passed && i < beds!.Count; i++)
            Reading.Label(beds[i], $"/beds/{i}", 20, checks);
    }

    // of beds that stand already any label is good, also one that no new bed could have
    private static void CheckBeds(Checks checks, IReadOnlyList<string>? beds, int least = 1)
    {
        checks.That(beds is { Count: <= Most } && beds.Count >= least, "/beds", $"From {least} to {Most} labels.", $"{least} 至 {Most} 个床位编号。");
        for (var i = 0; checks.Passed && i < beds!.Count; i++)
            checks.Text(beds[i], $"/beds/{i}", 20);
        if (checks.Passed)
            checks.That(beds!.Distinct().Count() == beds!.Count, "/beds", "Each label once.", "床位编号不得重复。");
    }
}
