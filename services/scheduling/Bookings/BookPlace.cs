using Dapper;
using Npgsql;
using Referrals.Contracts;
using SchedulingService.Http;
using SchedulingService.Needs;
using SchedulingService.Waiting;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <param name="Referral">Id or number of a referral that wants a place.</param>
/// <param name="SlotId">The slot to take; for a bed wardId and bed instead.</param>
/// <param name="Hold">True: keep it for two minutes, until it is confirmed; what the referral has now stays so long.</param>
/// <param name="BeyondCapacity">True: also use the room beyond the capacity; the institution that has the slot alone may.</param>
/// <param name="WardId">The ward of the bed to take; the institution that has it alone chooses beds.</param>
/// <param name="Bed">Label of the bed, e.g. 03.</param>
/// <param name="StartsAt">From when on, for a bed; from the beginning of the referral's window, or now, when absent.</param>
internal sealed record BookPlaceRequest(
    string Referral, Guid? SlotId = null, bool Hold = false, bool BeyondCapacity = false, Guid? WardId = null, string? Bed = null, DateTimeOffset? StartsAt = null)
{
    public bool IsForABed => WardId is not null;
}

/// <summary>
/// Either party chooses a slot itself, and the ward's desk a bed, for a referral that waits or whose place shall change. Holding first and
/// confirming then leaves time to ask the patient.
/// </summary>
internal static class BookPlace
{
    /// <summary>How long a held place is kept.</summary>
    public static readonly TimeSpan Held = TimeSpan.FromMinutes(2);

    private const string Example = """{"id":"9f1d2c9a-5a0e-4d5b-a6f4-1c2d3e4f5a05","referralId":"7c1f3c8e-2c55-4b0a-8f5e-8a1f0f1d9b03","state":"Held","version":1,"startsAt":"2026-12-02T01:00:00+00:00","endsAt":"2026-12-02T01:30:00+00:00","actions":["confirm","cancel"],"heldUntil":"2026-12-01T01:02:00+00:00"}""";

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/bookings", Book).Command<BookPlaceRequest, BookingMoved>(
            "bookPlace", "Bookings", "Takes a chosen slot (slotId) or bed (wardId and bed) for a referral that wants one, or holds a slot for two minutes.",
            """{"referral":"ZZ2611220001","slotId":"0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01","hold":true}""", 201, Example);
        routes.MapPost("/bookings/{id:guid}/confirm", Confirm).Command<ConfirmRequest, BookingMoved>(
            "confirmBooking", "Bookings", "Turns a held place into a booking; what the referral had until then is given back.",
            """{"reason":"PATIENT_REQUEST"}""", 200, Example.Replace("Held", "Booked", StringComparison.Ordinal)).NeedsIfMatch();
    }

    private static async Task<IResult> Book(HttpContext http, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<BookPlaceRequest>(http);
        if (command is null)
            return refused!;
        var (caller, request) = (command.Caller, command.Body);
        var checks = new Checks();
        checks.Required(request.Referral, "/referral");
        Reading.Code(request.Referral, "/referral", checks);
        checks.That((request.SlotId is null) == (request.WardId is not null && request.Bed is not null) && (request.WardId is null) == (request.Bed is null), "/slotId",
            "Either slotId, or wardId and bed.", "slotId 与 wardId、bed 二选一。");
        checks.Text(request.Bed, "/bed", 20, required: false);
        checks.That(!request.IsForABed || !request.Hold && !request.BeyondCapacity, "/hold", "A bed is taken at once.", "床位不支持占号。");
        checks.That(request.IsForABed || request.StartsAt is null, "/startsAt", "For a bed only.", "仅适用于床位。");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (await Find(database, request.Referral) is not { } seen || caller.Institution != seen.Sender && caller.Institution != seen.Receiver)
            return await Roles.NoParty(database, clock, caller, "booking.book", request.Referral);
        if (!Roles.Staff.Contains(caller.Role) || (request.BeyondCapacity || request.IsForABed) && caller.Institution != seen.Receiver)
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            var need = await change.Connection.QuerySingleAsync<Need>($"select {Need.Columns} from need where referral_id = @ReferralId for update", new { seen.ReferralId });
            var live = await Live(change, need);
            if (!need.MayBook)
                return new Problem(SchedulingProblems.WantsNoPlace) { More = new Dictionary<string, object?> { ["state"] = need.State } };
            if (live.FirstOrDefault(b => !request.Hold || b.State == BookingState.Held || b.SlotId == request.SlotId) is { } standing)
                return new Problem(SchedulingProblems.AlreadyBooked) { More = new Dictionary<string, object?> { ["bookingId"] = standing.Id, ["state"] = standing.State } };
            if (request.IsForABed)
                return await Bed(change, need, request, caller);
            // the line of the slot must be one the referral may stand in
            var name = await change.Connection.QuerySingleOrDefaultAsync<string>("select line from slot where id = @SlotId", new { request.SlotId });
            var line = need.Lines.FirstOrDefault(l => l.Name == name);
            if (line == default)
                return SchedulingProblems.OtherPlace;
            var (place, impossible) = await ChooseSlot.Find(change, need, line, request.SlotId!.Value, request.BeyondCapacity);
            if (place is null)
                return impossible!;
            var booking = await TakePlace.Take(change, need, place, need.Receiver, request.Hold ? change.Now + Held : null);
            if (!request.Hold)
                await JoinLines.Leave(change, need.ReferralId);
            await change.Audit(caller, request.Hold ? "booking.hold" : "booking.book", booking.Id);
            return Reply.Done(StatusCodes.Status201Created, BookingMoved.Of(booking), ETags.Of(booking.Version), $"/v1/bookings/{booking.Id}");
        }, http.RequestAborted);
    }

    private static async Task<Reply> Bed(Change change, Need need, BookPlaceRequest request, Caller caller)
    {
        var line = need.Lines.FirstOrDefault(l => l.IsForBeds);
        if (line == default)
            return SchedulingProblems.OtherPlace;
        var startsAt = request.StartsAt ?? (need.Window.From > change.Now ? need.Window.From : change.Now);
        var (place, impossible) = await ChooseBed.Find(change, need, line, request.WardId!.Value, request.Bed!, startsAt, instead: null);
        if (place is null)
            return impossible!;
        var booking = await TakePlace.Take(change, need, place, need.Receiver, null);
        await JoinLines.Leave(change, need.ReferralId);
        await change.Audit(caller, "booking.book", booking.Id);
        return Reply.Done(StatusCodes.Status201Created, BookingMoved.Of(booking), ETags.Of(booking.Version), $"/v1/bookings/{booking.Id}");
    }

    private static async Task<IResult> Confirm(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<ConfirmRequest>(http);
        if (command is null)
            return refused!;
        var reason = command.Body.Reason ?? "PATIENT_REQUEST";
        var checks = new Checks();
        EndingReason.Check(checks, reason);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (await LockBooking.See(database, clock, command.Caller, id, "booking.confirm") is (_, { } notHis))
            return notHis;

        return await commands.Run(command.Key, async change =>
        {
            var (need, held) = await LockBooking.Of(change, id);
            if (ETags.Check(http.Request, held.Version) is { } stale)
                return stale;
            if (held.State != BookingState.Held)
                return CancelBooking.NotInState(held);
            if (held.HeldUntil <= change.Now)
                return CancelBooking.Ended(held);
            if (!need.MayBook || need.Leg != held.Leg)
                return new Problem(SchedulingProblems.WantsNoPlace) { More = new Dictionary<string, object?> { ["state"] = need.State } };
            var old = (await Live(change, need)).FirstOrDefault(b => b.State == BookingState.Booked);
            await Line.Pass(change, old is null ? [held.Line] : [held.Line, old.Line]);
            if (old is not null)
                await LetGo.Of(change, old, BookingState.Rescheduled, new(reason, null), CancelBooking.SideOf(command.Caller, old));
            var booking = await TakePlace.Confirm(change, need, held, old, reason);
            await JoinLines.Leave(change, need.ReferralId);
            if (old is not null)
                await ServeLine.Serve(change, old.Line);
            await change.Audit(command.Caller, "booking.confirm", id);
            return Reply.Done(StatusCodes.Status200OK, BookingMoved.Of(booking), ETags.Of(booking.Version));
        }, http.RequestAborted);
    }

    private static async Task<IReadOnlyList<Booking>> Live(Change change, Need need) =>
        (await change.Connection.QueryAsync<Booking>($"""
            select {Booking.Columns} from booking where referral_id = @ReferralId and state in ('Held', 'Booked') order by state
            """, new { need.ReferralId })).AsList();

    public static async Task<Need?> Find(NpgsqlDataSource database, string referral)
    {
        await using var connection = await database.OpenConnectionAsync();
        return Guid.TryParse(referral, out var id)
            ? await connection.QuerySingleOrDefaultAsync<Need>($"select {Need.Columns} from need where referral_id = @id", new { id })
            : await connection.QueryFirstOrDefaultAsync<Need>($"select {Need.Columns} from need where referral_no = @referral", new { referral });
    }
}

/// <param name="Reason">Why what the referral had until now is given back: a code as for a cancellation; PATIENT_REQUEST when absent.</param>
internal sealed record ConfirmRequest(string? Reason = null);
