using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Annotations;

/// <summary>Routine becomes Urgent, or the other way round with a reason in words.</summary>
internal sealed record ChangePriority(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", Reasons.TextLimit, required: false);

    public static Problem? Raise(Referral r, Move<ChangePriority> move)
    {
        if (r.Priority != Priority.Routine)
            return Refusals.NotInThisState;
        r.Priority = Priority.Urgent;
        move.Words = move.Command.Text;
        return null;
    }

    public static Problem? Lower(Referral r, Move<ChangePriority> move)
    {
        if (r.Priority != Priority.Urgent)
            return Refusals.NotInThisState;
        if (string.IsNullOrWhiteSpace(move.Command.Text))
            return Refusals.Rule("/text", "Lowering the priority needs a reason.", "降低优先级须填写理由。");
        r.Priority = Priority.Routine;
        move.Words = move.Command.Text;
        return null;
    }
}
