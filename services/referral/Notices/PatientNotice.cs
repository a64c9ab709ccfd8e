using Referrals.Contracts;
using ReferralService.Referrals;

namespace ReferralService.Notices;

/// <summary>What a patient is to be told of an event; without a template nothing, nor anything that still waits.</summary>
/// <param name="Template">Name of the text at the notification service; null when the patient is told nothing more.</param>
/// <param name="Place">Institution the patient is to go to, or hears from.</param>
/// <param name="ExpiresAt">After this the patient does not need it any more.</param>
internal sealed record PatientNotice(string? Template, string Place, DateTimeOffset? StartsAt, DateTimeOffset ExpiresAt)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromDays(2);

    // readings, advice and consultations happen between doctors
    private static readonly HashSet<ReferralKind> WithThePatient =
        [ReferralKind.OutpatientTransfer, ReferralKind.InpatientTransfer, ReferralKind.Examination, ReferralKind.RehabReturn];

    private static readonly HashSet<string> Told =
    [
        ReferralEvents.Submitted, ReferralEvents.Accepted, ReferralEvents.Waitlisted, ReferralEvents.Declined, ReferralEvents.Redirected,
        ReferralEvents.BookingCancelled, ReferralEvents.NoShow, ReferralEvents.Expired, ReferralEvents.Advised,
    ];

    private static bool SaysItsEnd(Referral ended) => ended switch
    {
        // where the way goes on, the next referral speaks
        { Outcome: { } outcome } => outcome is Outcome.PlanFinished or Outcome.NotReturned,
        // nobody reads it, or it was never about this patient
        { Reason: "DIED" or "WRONG_PATIENT" or "ENTERED_IN_ERROR" } => false,
        // the other one speaks, but not of the appointment that fell away with this one
        { Reason: "DUPLICATE" } => ended is { ScheduledAt: not null, ArrivedAt: null },
        _ => true,
    };

    /// <summary>The events that may concern the patient.</summary>
    public static IReadOnlyList<string> Hears =>
    [
        .. Told.Concat([ReferralEvents.Scheduled, ReferralEvents.Rescheduled, ReferralEvents.DeadlineWarning, ReferralEvents.ReturnInitiated,
            ReferralEvents.FollowUpOverdue, ReferralEvents.Completed, ReferralEvents.Closed, ReferralEvents.Cancelled, ReferralEvents.MarkedInError]).Select(name => "referral.*." + name),
    ];

    /// <summary>
    /// Null when there is nothing to say: the referral has moved on since, it is a rehearsal, was typed in afterwards,
    /// or the patient takes no part in it.
    /// </summary>
    /// <param name="parent">The referral this one returns from, as it stands now.</param>
    public static PatientNotice? Of(string type, ReferralFacts facts, Referral now, Referral? parent, DateTimeOffset time)
    {
        if (now.Channel == Channel.RETRO_ENTRY || now.Synthetic || !WithThePatient.Contains(now.Kind))
            return null;
        var name = ReferralEvents.NameOf(type);
        if (now.InError)
            return name == ReferralEvents.MarkedInError || now.IsFinal ? Silence() : null;
        if (!now.At(facts.State))
            return null;
        switch (name)
        {
            case ReferralEvents.Scheduled or ReferralEvents.Rescheduled:
                return facts.Booking?.Id == now.BookingId ? Appointment(name) : null;
            case ReferralEvents.DeadlineWarning:
                return facts.Deadline?.Timer == "Reminder" ? Appointment("reminder") : null;
            case ReferralEvents.ReturnInitiated:
                return new(name, now.Receiver, null, time + Fresh);
            case ReferralEvents.FollowUpOverdue:
                return new(name, now.Receiver, null, time + Fresh);
            case ReferralEvents.Completed:
                return SaysItsEnd(now) ? new(name, now.Receiver, null, time + Fresh) : null;
            case ReferralEvents.Closed or ReferralEvents.Cancelled:
                return SaysItsEnd(now) && !SaysTheirEnd(parent) ? new(name, now.Receiver, null, time + Fresh) : Silence();
            case ReferralEvents.Submitted when !now.IsUp || now.IsEmergency:
                return null;
            default:
                return Told.Contains(name) ? new(name, now.Receiver, null, time + Fresh) : null;
        }

        // a return that ended in the same move as the referral it returns from: one of them speaks
        bool SaysTheirEnd(Referral? parent) =>
            now.Relation == Relation.Return && parent?.EndedAt is { } ended && ended == now.EndedAt && SaysItsEnd(parent);

        PatientNotice Silence() => new(null, now.Receiver, null, DateTimeOffset.UnixEpoch);

        PatientNotice? Appointment(string template) =>
            now.BookingStartsAt is { } start && start > time ? new(template, now.Receiver, start, start) : null;
    }
}
