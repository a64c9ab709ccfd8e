using Dapper;
using Npgsql;
using SchedulingService.Bookings;
using SchedulingService.Http;
using SchedulingService.Waiting;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Slots;

/// <param name="Capacity">How many patients it takes from now on; not fewer than those who have a place.</param>
/// <param name="Overbook">Patients beyond the capacity that may be added by hand, 0 to 100; nobody gets such a place by himself.</param>
/// <param name="Place">Where to go, in Chinese.</param>
internal sealed record ChangeSlotRequest(int? Capacity = null, int? Overbook = null, string? Place = null);

/// <param name="Reason">A code as for a cancellation; those who held the slot are told.</param>
internal sealed record WithdrawRequest(string Reason);

/// <param name="Served">How many who waited were booked at once.</param>
internal sealed record SlotChanged(Guid Id, int Capacity, int Overbook, int Free, int Served);

/// <param name="Moved">How many who held it have another place now.</param>
/// <param name="Waiting">How many wait for another one.</param>
internal sealed record PlaceWithdrawn(Guid Id, int Moved, int Waiting);

/// <summary>A slot is changed or withdrawn; whoever held a withdrawn one gets the nearest other one or waits, and hears of it.</summary>
internal static class ChangeSlot
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/slots/{id:guid}/change", Change).Command<ChangeSlotRequest, SlotChanged>(
            "changeSlot", "Slots", "Changes how many patients a slot of your institution takes, or where it is; who waits is booked at once.",
            """{"capacity":3}""", 200, """{"id":"0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01","capacity":3,"overbook":0,"free":1,"served":1}""");
        routes.MapPost("/slots/{id:guid}/withdraw", Withdraw).Command<WithdrawRequest, PlaceWithdrawn>(
            "withdrawSlot", "Slots", "Takes a slot of your institution back; whoever held it gets the nearest other one or waits, and hears of it.",
            """{"reason":"CLINICIAN_ABSENT"}""", 200, """{"id":"0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01","moved":1,"waiting":0}""");
    }

    private sealed record Standing(Guid Id, string Institution, string Department, string Resource, int Capacity, int Overbook, int Taken, DateTimeOffset StartsAt, DateTimeOffset? WithdrawnAt)
    {
        public Line Line => Line.Of(Institution, Department, Resource);
    }

    private const string Find = """
        select id, institution, department, resource, capacity, overbook, taken, starts_at, withdrawn_at from slot where id = @id
        """;

    private static async Task<IResult> Change(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<ChangeSlotRequest>(http);
        if (command is null)
            return refused!;
        var request = command.Body;
        var checks = new Checks();
        checks.That(request.Capacity is null or >= 1 and <= 1000, "/capacity", "From 1 to 1000.", "1 至 1000。");
        checks.That(request.Overbook is null or >= 0 and <= 100, "/overbook", "From 0 to 100.", "0 至 100。");
        Reading.Label(request.Place, "/place", 80, checks, required: false);
        checks.That(request != new ChangeSlotRequest(), "", "Something to change.", "请提供要修改的内容。");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        return await Run(http, id, command.Caller, command.Key, commands, database, clock, "slot.change", async (change, slot) =>
        {
            var (capacity, overbook) = (request.Capacity ?? slot.Capacity, request.Overbook ?? slot.Overbook);
            if (capacity + overbook < slot.Taken)
                return new Problem(SchedulingProblems.PlaceInUse) { More = new Dictionary<string, object?> { ["taken"] = slot.Taken } };
            await change.Connection.ExecuteAsync("""
                update slot set capacity = @capacity, overbook = @overbook, place = coalesce(@Place, place) where id = @id
                """, new { id, capacity, overbook, request.Place });
            var served = await ServeLine.Serve(change, slot.Line);
            var taken = await change.Connection.QuerySingleAsync<int>("select taken from slot where id = @id", new { id });
            return Reply.Done(StatusCodes.Status200OK, new SlotChanged(id, capacity, overbook, Math.Max(capacity - taken, 0), served.Count));
        });
    }

    private static async Task<IResult> Withdraw(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<WithdrawRequest>(http);
        if (command is null)
            return refused!;
        var checks = new Checks();
        EndingReason.Check(checks, command.Body.Reason);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        return await Run(http, id, command.Caller, command.Key, commands, database, clock, "slot.withdraw", async (change, slot) =>
        {
            await change.Connection.ExecuteAsync("""
                update slot set withdrawn_at = @Now, withdrawn_reason = @Reason where id = @id
                """, new { id, command.Body.Reason, change.Now });
            await MoveHolders.Of(change, slot.Line);
            await ServeLine.Serve(change, slot.Line);
            return Reply.Done(StatusCodes.Status200OK, await WhatBecame(change, id, "slot_id"));
        });
    }

    /// <summary>What became of those who held a place that was withdrawn in this change.</summary>
    public static Task<PlaceWithdrawn> WhatBecame(Change change, Guid id, string column) =>
        change.Connection.QuerySingleAsync<PlaceWithdrawn>($"""
            select @id as id, (count(*) filter (where state = 'Rescheduled'))::int as moved, (count(*) filter (where state = 'Cancelled'))::int as waiting
            from booking where {column} = @id and ended_at = @Now
            """, new { id, change.Now });

    private static async Task<IResult> Run(HttpContext http, Guid id, Caller caller, IdempotencyKey key, Commands commands,
        NpgsqlDataSource database, TimeProvider clock, string action, Func<Change, Standing, Task<Reply>> step)
    {
        await using (var connection = await database.OpenConnectionAsync(http.RequestAborted))
            if (await connection.QuerySingleOrDefaultAsync<Standing>(Find, new { id }) is not { } seen || seen.Institution != caller.Institution)
                return await Roles.NoParty(connection, clock, caller, action, id.ToString());
        if (!Roles.Publish.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        return await commands.Run(key, async change =>
        {
            // what never changes of a slot says which line to pass; the rest is read after that
            await Line.Pass(change, [(await change.Connection.QuerySingleAsync<Standing>(Find, new { id })).Line]);
            var slot = await change.Connection.QuerySingleAsync<Standing>(Find, new { id });
            if (slot.WithdrawnAt is not null || slot.StartsAt <= change.Now)
                return SchedulingProblems.PlaceGone;
            var reply = await step(change, slot);
            if (reply.Answer is not null)
                await change.Audit(caller, action, id);
            return reply;
        }, http.RequestAborted);
    }
}
