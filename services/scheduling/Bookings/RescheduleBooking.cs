using Npgsql;
using SchedulingService.Http;
using SchedulingService.Needs;
using SchedulingService.Waiting;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <param name="Reason">As for a cancellation.</param>
/// <param name="SlotId">The slot to move to, for a booking of a slot.</param>
/// <param name="StartsAt">The new day and hour, for a booking of a bed; the hour stays when only the bed changes.</param>
/// <param name="Note">Words for OTHER, at most 200 characters; the other party reads them.</param>
/// <param name="WardId">The ward of another bed; the institution that has it alone chooses beds.</param>
/// <param name="Bed">Label of the other bed.</param>
internal sealed record RescheduleBookingRequest(
    string Reason, Guid? SlotId = null, DateTimeOffset? StartsAt = null, string? Note = null, Guid? WardId = null, string? Bed = null);

/// <summary>Either party moves a booking: the new place is taken before the old one is free for others.</summary>
internal static class RescheduleBooking
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/bookings/{id:guid}/reschedule", Reschedule).Command<RescheduleBookingRequest, BookingMoved>(
            "rescheduleBooking", "Bookings", "Moves a booking to another slot (slotId), a bed to another day (startsAt) or to another bed (wardId and bed); a new booking replaces the old one.",
            """{"reason":"PATIENT_REQUEST","slotId":"0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01"}""",
            201, """{"id":"9f1d2c9a-5a0e-4d5b-a6f4-1c2d3e4f5a05","referralId":"7c1f3c8e-2c55-4b0a-8f5e-8a1f0f1d9b03","state":"Booked","version":1,"startsAt":"2026-12-02T01:00:00+00:00","endsAt":"2026-12-02T01:30:00+00:00","actions":["cancel","reschedule"]}""")
            .NeedsIfMatch();

    private static async Task<IResult> Reschedule(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<RescheduleBookingRequest>(http);
        if (command is null)
            return refused!;
        var request = command.Body;
        var (reason, wrong) = EndingReason.Of(request.Reason, request.Note);
        if (reason is null)
            return new ProblemResult(wrong!);
        var forABed = request.StartsAt is not null || request.WardId is not null;
        if ((request.SlotId is null) != forABed || (request.WardId is null) != (request.Bed is null))
            return new ProblemResult(Problems.Bad("", "Either slotId, or startsAt, wardId and bed.", "slotId 与 startsAt、wardId、bed 二选一。"));
        var (seen, notHis) = await LockBooking.See(database, clock, command.Caller, id, "booking.reschedule");
        if (seen is null)
            return notHis!;
        if (request.WardId is not null && command.Caller.Institution != seen.Institution)
            return new ProblemResult(Problems.Forbidden);
        if (await Hopeless(http, database, clock, seen, request.SlotId) is { } hopeless)
            return new ProblemResult(hopeless);

        return await commands.Run(command.Key, async change =>
        {
            var (need, old) = await LockBooking.Of(change, id);
            if (ETags.Check(http.Request, old.Version) is { } stale)
                return stale;
            if (old.State != BookingState.Booked)
                return CancelBooking.NotInState(old);
            var (place, impossible) = (old.BedId, request.WardId) switch
            {
                (null, null) => await FindSlot(change, need, old, request.SlotId),
                (not null, { } ward) => await OtherBed(change, need, old, ward, request.Bed!, request.StartsAt),
                (not null, null) => await SameBed(change, old, request.StartsAt),
                _ => (null, SchedulingProblems.OtherPlace),
            };
            if (place is null)
                return impossible!;

            var booking = await TakePlace.Instead(change, need, place, old, reason, CancelBooking.SideOf(command.Caller, old));
            await ServeLine.Serve(change, old.Line);
            await change.Audit(command.Caller, "booking.reschedule", id, booking.Id);
            return Reply.Done(StatusCodes.Status201Created, BookingMoved.Of(booking), ETags.Of(booking.Version), $"/v1/bookings/{booking.Id}");
        }, http.RequestAborted);
    }

    // what a look without any lock refuses already; a repetition finds its booking replaced, and its answer in the change
    private static async Task<Problem?> Hopeless(HttpContext http, NpgsqlDataSource database, TimeProvider clock, Booking seen, Guid? slotId)
    {
        if (slotId is not { } wished || wished == seen.SlotId || seen.State != BookingState.Booked || ETags.Check(http.Request, seen.Version) is not null)
            return null;
        await using var connection = await database.OpenConnectionAsync();
        return await ChooseSlot.Hopeless(connection, clock.GetUtcNow(), seen.ReferralId, seen.Line, wished, beyondCapacity: false);
    }

    private static async Task<(Place?, Problem?)> SameBed(Change change, Booking old, DateTimeOffset? startsAt)
    {
        if (startsAt is not { } start || start < change.Now || start > change.Now + TakePlace.FurthestAhead)
            return (null, SchedulingProblems.OtherPlace);
        await Line.Pass(change, [old.Line]);
        return (new()
        {
            BedId = old.BedId, Department = old.Department, Resource = old.Resource, StartsAt = start, EndsAt = start + TakePlace.BedIsKept,
        }, null);
    }

    // a bed that is kept from an hour gone by is kept from now on
    private static Task<(Place?, Problem?)> OtherBed(Change change, Need need, Booking old, Guid ward, string bed, DateTimeOffset? startsAt) =>
        ChooseBed.Find(change, need, old.Line, ward, bed, startsAt ?? (old.StartsAt > change.Now ? old.StartsAt : change.Now), instead: old.Id);

    private static async Task<(Place?, Problem?)> FindSlot(Change change, Need need, Booking old, Guid? slotId) =>
        slotId is not { } id || id == old.SlotId
            ? (null, SchedulingProblems.OtherPlace)
            : await ChooseSlot.Find(change, need, old.Line, id, beyondCapacity: false);
}
