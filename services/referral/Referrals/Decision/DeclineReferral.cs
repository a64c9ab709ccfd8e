using Referrals.Contracts;
using ReferralService.Referrals.Ending;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Decision;

/// <summary>The receiver refuses, with a coded reason.</summary>
internal sealed record DeclineReferral(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);

    public static Problem? Refuse(Referral r, Move<DeclineReferral> move)
    {
        move.Extras.Clinician = move.Actor.Clinician;
        return move.Give(r.IsUp ? "DeclineUp" : "DeclineDown", move.Command.Reason, move.Command.Text) ?? Ends.At(r, move);
    }

    /// <summary>The receiver takes its acceptance back.</summary>
    public static Problem? AfterAcceptance(Referral r, Move<WithdrawAcceptance> move)
    {
        if (move.Give("WithdrawAcceptance", move.Command.Reason, move.Command.Text) is { } unknown)
            return unknown;
        move.Extras.Clinician = move.Actor.Clinician;
        r.AfterAcceptance = true;
        return Ends.At(r, move);
    }
}

/// <summary>The receiver cannot keep what it accepted.</summary>
internal sealed record WithdrawAcceptance(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks) => Reasons.Check(checks, Reason, Text);
}

/// <summary>Advice instead of a transfer.</summary>
/// <param name="Reason">Recommendation code of the list Advice.</param>
internal sealed record AdviseReferral(string? Reason, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(Reason, "/reason", 64);
        checks.Text(Text, "/text", Reasons.TextLimit);
    }

    public static Problem? Advise(Referral r, Move<AdviseReferral> move) =>
        move.Give("Advice", move.Command.Reason, move.Command.Text) ?? Ends.At(r, move);
}

/// <summary>The report of an examination, a reading or a consultation: the good end of these kinds.</summary>
/// <param name="Critical">A critical value: the sender is alarmed.</param>
internal sealed record ReportResult(string? Text, bool Critical = false) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", 20_000);

    public static Problem? File(Referral r, Move<ReportResult> move)
    {
        move.Words = move.Command.Text;
        if (move.Command.Critical)
            move.Extras.Flags = [.. r.Flags, "CRITICAL_VALUE"];
        r.Outcome = r.Kind == ReferralKind.Teleconsultation ? Outcome.Consulted : Outcome.Reported;
        return Ends.At(r, move);
    }
}
