using Referrals.Contracts;
using ReferralService.Referrals.Ending;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Booking;

/// <summary>Scheduling holds a slot or bed: the answer to an acceptance, or a better one.</summary>
/// <param name="Leg">Leg it was asked for; an answer to an earlier one is late.</param>
/// <param name="FromPool">The place was reserved for contracted patients.</param>
internal sealed record RecordBooking(
    int Leg, long Attempt, Guid BookingId, string Resource, DateTimeOffset StartsAt, DateTimeOffset EndsAt,
    string? Clinician, string? CodeHash, bool FromPool = false)
{
    public static Problem? Hold(Referral r, Move<RecordBooking> move)
    {
        var booking = move.Command;
        // late news: scheduling frees it when it hears where the referral stands now
        if (booking.Leg != r.Leg || booking.Attempt <= r.BookingAttempt)
            return Refusals.NotInThisState;
        r.BookingAttempt = booking.Attempt;
        r.BookingId = booking.BookingId;
        r.BookingResource = booking.Resource;
        r.BookingStartsAt = booking.StartsAt;
        r.BookingEndsAt = booking.EndsAt;
        r.BookingCodeHash = booking.CodeHash;
        r.Clinician = booking.Clinician ?? r.Clinician;
        move.Extras.FirstBooking = r.ScheduledAt is null;
        if (move.Extras.FromPool = booking.FromPool)
            (move.Detail ??= []).Add("fromPool", true);
        r.ScheduledAt ??= move.Now;
        return null;
    }
}

/// <summary>Nothing is free inside the window.</summary>
internal sealed record RecordNoCapacity(int Leg, long Attempt)
{
    public static Problem? Wait(Referral r, Move<RecordNoCapacity> move)
    {
        if (move.Command.Leg != r.Leg || move.Command.Attempt <= r.BookingAttempt)
            return Refusals.NotInThisState;
        r.BookingAttempt = move.Command.Attempt;
        return null;
    }
}

/// <summary>The booking falls away; scheduling looks for another.</summary>
internal sealed record CancelBooking(string? Reason, string? Text) : ICommand
{
    /// <summary>What scheduling says of its own accord: which booking, on which leg.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public (int Leg, Guid BookingId)? Of { get; init; }

    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? LetGo(Referral r, Move<CancelBooking> move)
    {
        if (move.Command.Of is { } told && (told.Leg != r.Leg || told.BookingId != r.BookingId))
            return Refusals.NotInThisState;
        if (move.Give("BookingCancelled", move.Command.Reason, move.Command.Text) is { } unknown)
            return unknown;
        Ends.LetBookingGo(r);
        return null;
    }
}

/// <summary>The patient did not come.</summary>
internal sealed record RecordNoShow(string? Reason, string? Text) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public (int Leg, Guid BookingId)? Of { get; init; }

    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Missed(Referral r, Move<RecordNoShow> move) =>
        move.Command.Of is { } told && (told.Leg != r.Leg || told.BookingId != r.BookingId)
            ? Refusals.NotInThisState
            : move.Give("NoShow", move.Command.Reason, move.Command.Text);
}
