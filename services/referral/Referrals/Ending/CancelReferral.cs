using Referrals.Contracts;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Ending;

/// <summary>The sender withdraws what nobody accepted yet.</summary>
internal sealed record CancelReferral(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Withdraw(Referral r, Move<CancelReferral> move) =>
        move.Give("Cancel", move.Command.Reason, move.Command.Text) ?? Ends.At(r, move);

    public static Problem? Discard(Referral r, Move<DiscardReferral> move) => Ends.At(r, move);
}

/// <summary>The sender asks to cancel after acceptance; the receiver must answer.</summary>
internal sealed record RequestCancellation(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Ask(Referral r, Move<RequestCancellation> move)
    {
        if (move.Give("Cancel", move.Command.Reason, move.Command.Text) is { } unknown)
            return unknown;
        move.Extras.PreviousState = Enum.Parse<ReferralState>(r.State);
        r.CameFrom = r.State;
        r.Reason = move.Reason;
        return null;
    }

    public static void Forget(Referral r, Move<TakeBackCancellation> move) => r.Reason = null;

    public static Problem? Refuse(Referral r, Move<RefuseCancellation> move)
    {
        r.Reason = null;
        return move.Give("RefuseCancellation", move.Command.Reason, move.Command.Text);
    }

    /// <summary>Nobody is on the road and no life hangs on it: silence confirms.</summary>
    public static bool NobodyIsOnTheRoad(Referral r) => !r.IsEmergency && r.CameFrom != nameof(ReferralState.InTransit);

    public static Problem? Confirm(Referral r, Move<ConfirmCancellation> move)
    {
        move.Reason = r.Reason;
        r.AfterAcceptance = true;
        return Ends.At(r, move);
    }
}

/// <summary>The sender takes its request back.</summary>
internal sealed record TakeBackCancellation : ICommand
{
    public void Check(Checks checks)
    {
    }
}

/// <summary>The receiver refuses to cancel.</summary>
internal sealed record RefuseCancellation(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);
}

/// <summary>The receiver agrees: slot, bed and code are free.</summary>
internal sealed record ConfirmCancellation : ICommand
{
    public void Check(Checks checks)
    {
    }
}
