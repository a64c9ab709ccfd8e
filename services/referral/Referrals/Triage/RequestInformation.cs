using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Triage;

/// <summary>The receiver asks the sender; triage stands still meanwhile.</summary>
internal sealed record RequestInformation(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Ask(Referral r, Move<RequestInformation> move) =>
        move.Give("InformationNeeded", move.Command.Reason, move.Command.Text);
}

/// <summary>The sender answers.</summary>
internal sealed record SupplyInformation(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", Reasons.TextLimit);

    public static void Answer(Referral r, Move<SupplyInformation> move)
    {
        move.Words = move.Command.Text;
        Resume(r, move);
    }

    /// <summary>Triage goes on: the time it stood still does not count, a claim gets its time back.</summary>
    public static void Resume(Referral r, Move move)
    {
        // a priority that changed meanwhile has started triage anew
        r.TriagePaused += move.Now - (r.LegSubmittedAt > r.StateSince ? r.LegSubmittedAt.Value : r.StateSince);
        if (r.ClaimedUntil is not null)
            r.ClaimedUntil = move.Now + ClaimReferral.HeldFor(r, move);
    }
}

/// <summary>The receiver no longer needs the answer.</summary>
internal sealed record WithdrawQuestion : ICommand
{
    public void Check(Checks checks)
    {
    }

    public static void Resume(Referral r, Move<WithdrawQuestion> move) => SupplyInformation.Resume(r, move);
}
