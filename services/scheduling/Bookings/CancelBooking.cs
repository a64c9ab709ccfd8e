using Npgsql;
using Referrals.Contracts;
using SchedulingService.Http;
using SchedulingService.Waiting;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <param name="Reason">A code of <see cref="EndingReason.Codes"/>.</param>
/// <param name="Note">Words for OTHER, at most 200 characters; the other party reads them.</param>
internal sealed record CancelBookingRequest(string Reason, string? Note = null);

/// <summary>What a move made of a booking.</summary>
internal sealed record BookingMoved(Guid Id, Guid ReferralId, BookingState State, int Version, DateTimeOffset StartsAt, DateTimeOffset EndsAt, IReadOnlyList<string> Actions, DateTimeOffset? HeldUntil = null)
{
    public static BookingMoved Of(Booking booking) => new(booking.Id, booking.ReferralId, booking.State, booking.Version,
        booking.StartsAt, booking.EndsAt, GetBooking.ActionsOf(booking.State), booking.HeldUntil);
}

/// <summary>
/// Either party gives a place back. The referral service hears it, and asks for another one unless the referral ends.
/// </summary>
internal static class CancelBooking
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/bookings/{id:guid}/cancel", Cancel).Command<CancelBookingRequest, BookingMoved>(
            "cancelBooking", "Bookings", "Gives a place back; the next who waits gets it, and the referral is booked again elsewhere.",
            """{"reason":"PATIENT_REQUEST"}""",
            200, """{"id":"3f1d2c9a-5a0e-4d5b-a6f4-1c2d3e4f5a04","referralId":"7c1f3c8e-2c55-4b0a-8f5e-8a1f0f1d9b03","state":"Cancelled","version":2,"startsAt":"2026-12-01T01:00:00+00:00","endsAt":"2026-12-01T01:30:00+00:00","actions":[]}""")
            .NeedsIfMatch();

    private static async Task<IResult> Cancel(HttpContext http, Guid id, Commands commands, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<CancelBookingRequest>(http);
        if (command is null)
            return refused!;
        var (reason, wrong) = EndingReason.Of(command.Body.Reason, command.Body.Note);
        if (reason is null)
            return new ProblemResult(wrong!);
        if (await LockBooking.See(database, clock, command.Caller, id, "booking.cancel") is (_, { } notHis))
            return notHis;

        return await commands.Run(command.Key, async change =>
        {
            var (need, booking) = await LockBooking.Of(change, id);
            if (ETags.Check(http.Request, booking.Version) is { } stale)
                return stale;
            if (booking.State is not (BookingState.Booked or BookingState.Held))
                return NotInState(booking);
            await Line.Pass(change, [booking.Line]);
            var by = SideOf(command.Caller, booking);
            await LetGo.Of(change, booking, BookingState.Cancelled, reason, by);
            // nobody heard of what was only held
            if (booking.State == BookingState.Booked)
                await change.Say(SchedulingEvents.BookingCancelled, need, booking.Facts with { Reason = reason.Code, By = by });
            await ServeLine.Serve(change, booking.Line);
            await change.Audit(command.Caller, "booking.cancel", id);
            var version = booking.Version + 1;
            return Reply.Done(200, new BookingMoved(id, booking.ReferralId, BookingState.Cancelled, version,
                booking.StartsAt, booking.EndsAt, []), ETags.Of(version));
        }, http.RequestAborted);
    }

    public static Problem Ended(Booking booking) => new(SchedulingProblems.BookingEnded)
    {
        More = new Dictionary<string, object?> { ["state"] = booking.State, ["actions"] = Array.Empty<string>() },
    };

    /// <summary>The refusal of what this booking's state does not allow: it has ended, or it stands and allows something else.</summary>
    public static Problem NotInState(Booking booking) =>
        booking.State is BookingState.Held or BookingState.Booked or BookingState.Used
            ? new(SchedulingProblems.BookingStands) { More = new Dictionary<string, object?> { ["state"] = booking.State, ["actions"] = GetBooking.ActionsOf(booking.State) } }
            : Ended(booking);

    public static string SideOf(Caller caller, Booking booking) => caller.Institution == booking.Institution ? "Receiver" : "Sender";
}
