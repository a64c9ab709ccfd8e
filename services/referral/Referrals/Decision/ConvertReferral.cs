using Referrals.Contracts;
using ReferralService.Referrals.Ending;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Decision;

/// <summary>
/// Advice, a consultation or a reading becomes a transfer with the data it has; where that must be signed and the question
/// was not, it waits for the signature.
/// </summary>
/// <param name="Kind">OutpatientTransfer or InpatientTransfer.</param>
internal sealed record ConvertReferral(ReferralKind? Kind, string? Department, string? Clinician, Priority? Priority, string? Text) : ICommand
{
    /// <summary>Why the patient comes although a rule warns; the slip's reason when absent.</summary>
    public RuleOverride? Override { get; init; }

    /// <summary>The transfer it becomes; already accepted, because the receiver itself decided it, or to be signed first.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public NewReferral? Transfer { get; init; }

    public void Check(Checks checks)
    {
        Override?.Check(checks, "/override");
        checks.That(Kind is ReferralKind.OutpatientTransfer or ReferralKind.InpatientTransfer, "/kind",
            "OutpatientTransfer or InpatientTransfer.", "只能为 OutpatientTransfer 或 InpatientTransfer。");
        checks.That(Priority != global::Referrals.Contracts.Priority.Emergency, "/priority", "Make it an emergency afterwards.", "请在转换后再转为急诊。");
        checks.Text(Department, "/department", 16, required: false);
        checks.Text(Clinician, "/clinician", 64, required: false);
        checks.Text(Text, "/text", Reasons.TextLimit, required: false);
    }

    public static Problem? BecomeTransfer(Referral r, Move<ConvertReferral> move)
    {
        move.Words = move.Command.Text;
        r.LinkWith(move.Command.Transfer!);
        r.Outcome = Outcome.Converted;
        return Ends.At(r, move);
    }
}
