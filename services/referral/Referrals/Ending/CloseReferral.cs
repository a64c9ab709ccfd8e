using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Ending;

/// <summary>It ended otherwise: died, elsewhere, duplicate, entered in error. Frees everything and tells the other side.</summary>
/// <param name="ReplacedBy">Number of the referral that stays, for a duplicate.</param>
internal sealed record CloseReferral(string? Reason, string? Text, string? ReplacedBy) : ICommand
{
    public void Check(Checks checks)
    {
        Reasons.Check(checks, Reason, Text);
        checks.Text(ReplacedBy, "/replacedBy", 40, required: false);
    }

    public static Problem? End(Referral r, Move<CloseReferral> move)
    {
        if (move.Give("Close", move.Command.Reason, move.Command.Text) is { } unknown)
            return unknown;
        if (move.Command.Reason == "DUPLICATE" && move.Command.ReplacedBy is null && !move.Actor.Sides.HasFlag(Side.System))
            return Refusals.Rule("/replacedBy", "Name the referral that stays.", "请填写保留的转诊单号。");
        move.Extras.PreviousState = Enum.Parse<ReferralState>(r.State);
        r.ReplacedBy = move.Command.ReplacedBy;
        return Ends.At(r, move);
    }

    /// <summary>A downward referral ends with its parent: for the same reason where the list knows it.</summary>
    public static CloseReferral WithParent(string? reason) =>
        new(reason is "DIED" or "DUPLICATE" or "ENTERED_IN_ERROR" or "WRONG_PATIENT" or "MOVED_AWAY" or "PATIENT_GAVE_UP" ? reason : "CONDITION_CHANGED", null, null);
}

/// <summary>Nobody acted until the last level of a timer passed.</summary>
internal sealed record ExpireReferral(DeadlineFacts Deadline)
{
    public static Problem? RunOut(Referral r, Move<ExpireReferral> move)
    {
        // the patient of an external target is looked after by phone: silence there proves nothing
        if (r.External)
            return Refusals.NotInThisState;
        move.Extras.Deadline = move.Command.Deadline;
        move.Extras.PreviousState = Enum.Parse<ReferralState>(r.State);
        return Ends.At(r, move);
    }
}
