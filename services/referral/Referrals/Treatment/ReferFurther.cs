using Referrals.Contracts;
using ReferralService.Referrals.Ending;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Treatment;

/// <summary>
/// A linked upward referral in the same episode: onward to a higher hospital, or up again after the way back. This
/// one goes on until that one is accepted.
/// </summary>
/// <param name="PlannedCheck">A planned check leaves the running plan alone.</param>
internal sealed record ReferFurther(ReferralForm Slip, bool PlannedCheck = false) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public NewReferral? Next { get; init; }

    /// <summary>Flag of a linked referral whose acceptance ends nothing.</summary>
    public const string PlannedCheckFlag = "PLANNED_CHECK";

    public void Check(Checks checks)
    {
        checks.Required(Slip, "/slip");
        Slip?.Check(checks, "/slip", linked: true);
    }

    public static void Onward(Referral r, Move<ReferFurther> move) => r.LinkWith(move.Command.Next!);

    public static void Again(Referral r, Move<ReferFurther> move) => r.LinkWith(move.Command.Next!);

    public static Problem? TransferredOn(Referral r, Move<LinkedAccepted> move) => Close(r, move, Outcome.TransferredOn);

    public static Problem? ReReferred(Referral r, Move<LinkedAccepted> move) => Close(r, move, Outcome.ReReferred);

    private static Problem? Close(Referral r, Move<LinkedAccepted> move, Outcome outcome)
    {
        (r.LinkedId, r.LinkedNo, r.LinkDraftedBy) = (move.Command.LinkedId, move.Command.LinkedNo, null);
        r.Outcome = outcome;
        return Ends.At(r, move);
    }
}

/// <summary>The linked upward referral was accepted.</summary>
internal sealed record LinkedAccepted(Guid LinkedId, string LinkedNo);
