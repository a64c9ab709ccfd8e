using Referrals.Contracts;

namespace NotificationService;

/// <summary>What an inbox line says of one institution.</summary>
/// <param name="MustAct">True: nothing goes on without it; false: it should know.</param>
internal sealed record InboxLine(string Institution, bool MustAct);

/// <summary>
/// Whom an event concerns, and whether they must act. Nobody is told what they did themselves, the alarm of an emergency
/// apart, and nobody is woken for what was typed in afterwards.
/// </summary>
internal static class InboxRules
{
    private const string RetroEntry = "RETRO_ENTRY", CriticalValue = "CRITICAL_VALUE";

    // somebody who is no party opened the referral: both houses look at it, also where it was one of their own
    private const string BrokenGlass = "BREAK_GLASS";

    private enum Side { Sender, Receiver, Both }

    // what the other side waits for; everything else of the list below is news
    private static readonly Dictionary<string, (Side Side, bool MustAct)> Concerns = new()
    {
        [ReferralEvents.Submitted] = (Side.Receiver, true),
        [ReferralEvents.InformationRequested] = (Side.Sender, true),
        [ReferralEvents.InformationSupplied] = (Side.Receiver, true),
        [ReferralEvents.Accepted] = (Side.Sender, false),
        [ReferralEvents.Waitlisted] = (Side.Both, false),
        [ReferralEvents.Declined] = (Side.Sender, true),
        [ReferralEvents.Redirected] = (Side.Both, true),
        [ReferralEvents.Advised] = (Side.Sender, true),
        [ReferralEvents.Converted] = (Side.Sender, false),
        [ReferralEvents.Reported] = (Side.Sender, true),
        [ReferralEvents.Scheduled] = (Side.Both, false),
        [ReferralEvents.Rescheduled] = (Side.Both, false),
        [ReferralEvents.BookingCancelled] = (Side.Both, true),
        [ReferralEvents.NoShow] = (Side.Both, true),
        [ReferralEvents.ArrivalChanged] = (Side.Both, false),
        [ReferralEvents.InTransit] = (Side.Receiver, true),
        [ReferralEvents.Acknowledged] = (Side.Sender, false),
        [ReferralEvents.Arrived] = (Side.Sender, false),
        [ReferralEvents.Treated] = (Side.Sender, false),
        [ReferralEvents.Completed] = (Side.Sender, false),
        [ReferralEvents.PlanAdjusted] = (Side.Receiver, true),
        [ReferralEvents.FollowUpOverdue] = (Side.Receiver, true),
        [ReferralEvents.ReReferred] = (Side.Sender, false),
        [ReferralEvents.CancellationRequested] = (Side.Receiver, true),
        [ReferralEvents.CancellationRefused] = (Side.Sender, true),
        [ReferralEvents.CancellationTakenBack] = (Side.Receiver, false),
        [ReferralEvents.Cancelled] = (Side.Both, false),
        [ReferralEvents.Expired] = (Side.Both, true),
        [ReferralEvents.Closed] = (Side.Both, false),
        [ReferralEvents.PriorityRaised] = (Side.Receiver, true),
        [ReferralEvents.MadeEmergency] = (Side.Receiver, true),
        [ReferralEvents.DeadlineWarning] = (Side.Receiver, true),
        [ReferralEvents.DeadlineMissed] = (Side.Receiver, true),
        [ReferralEvents.Escalated] = (Side.Both, true),
    };

    // timers that run for the sender
    private static readonly HashSet<string> SendersTimers = ["Information", "InternalReview", "Discharge", "Consent", "Intake"];
    private static readonly HashSet<string> BothTimers = ["Reminder", "Arrival", "NoShow", "Absence"];

    private const string Emergency = "Emergency";

    private static readonly HashSet<string> Rings = [ReferralEvents.Submitted, ReferralEvents.InTransit, ReferralEvents.Redirected, ReferralEvents.MadeEmergency];

    private static readonly HashSet<string> Deadlines = [ReferralEvents.DeadlineWarning, ReferralEvents.DeadlineMissed, ReferralEvents.Escalated];

    private static readonly HashSet<string> Final = ["Completed", "Advised", "Declined", "Cancelled", "Expired", "Closed"];

    public static IReadOnlyList<InboxLine> Of(string type, HeardFacts facts)
    {
        if (type == NotificationEvents.Disabled)
            return facts.Institution is null ? [] : [new(facts.Institution, true)];
        if (facts.Reason == BrokenGlass && ReferralEvents.NameOf(type) == ReferralEvents.AddendumAdded)
            return [new(facts.Sender!, true), new(facts.Receiver!, true)];
        if (!type.StartsWith("referral.", StringComparison.Ordinal) || facts.Flags?.Contains(RetroEntry) == true)
            return [];
        var name = ReferralEvents.NameOf(type);
        if (!Concerns.TryGetValue(name, out var concern))
            return [];
        var side = Deadlines.Contains(name) && facts.Deadline?.Timer is { } timer
            ? SendersTimers.Contains(timer) ? Side.Sender : BothTimers.Contains(timer) || name == ReferralEvents.Escalated ? Side.Both : Side.Receiver
            : concern.Side;
        var lines = new List<InboxLine>(3);
        if (side != Side.Receiver)
            Add(facts.Sender);
        if (side != Side.Sender)
            Add(facts.Receiver);
        // whoever a redirect left behind must not wait for the patient
        if (name == ReferralEvents.Redirected)
            Add(facts.PreviousReceiver);
        if (facts.Priority == Emergency)
            Alarm(lines, name, facts);
        return lines;

        void Add(string? institution)
        {
            if (institution is not null && institution != facts.Institution && institution != facts.OnBehalfOf)
                lines.Add(new(institution, concern.MustAct));
        }
    }

    // three parties hear that it rings, who asked included; who must answer is the receiver, and everybody once it climbs
    private static void Alarm(List<InboxLine> lines, string name, HeardFacts facts)
    {
        var rings = Rings.Contains(name);
        var climbs = name == ReferralEvents.Escalated && facts.Deadline?.Timer == "GreenChannel";
        if (rings)
            Add(facts.Sender, false);
        if (rings || climbs || name is ReferralEvents.Acknowledged or ReferralEvents.Arrived)
            Add(facts.AllianceOffice, climbs);

        void Add(string? institution, bool mustAct)
        {
            if (institution is not null && !lines.Exists(l => l.Institution == institution)
                && (rings || institution != facts.Institution && institution != facts.OnBehalfOf))
                lines.Add(new(institution, mustAct));
        }
    }

    /// <summary>A report with a critical value (危急值): whoever asked for it acts at once.</summary>
    public static bool IsCritical(string type, HeardFacts facts) =>
        ReferralEvents.NameOf(type) == ReferralEvents.Reported && facts.Flags?.Contains(CriticalValue) == true;

    /// <summary>The referral is over: what waited for an answer before waits no more.</summary>
    public static bool Ends(HeardFacts facts) => facts.State is { } state && Final.Contains(state);
}
