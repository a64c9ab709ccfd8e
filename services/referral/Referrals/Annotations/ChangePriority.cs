using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Annotations;

/// <summary>Routine becomes Urgent, or the other way round with a reason in words.</summary>
internal sealed record ChangePriority(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", Reasons.TextLimit, required: false);

    public static bool IsRoutine(Referral r) => r.Priority == Priority.Routine;

    public static bool IsUrgent(Referral r) => r.Priority == Priority.Urgent;

    public static void Raise(Referral r, Move<ChangePriority> move)
    {
        r.Priority = Priority.Urgent;
        move.Words = move.Command.Text;
        StartTriageAnew(r, move.Now);
    }

    public static Problem? Lower(Referral r, Move<ChangePriority> move)
    {
        if (string.IsNullOrWhiteSpace(move.Command.Text))
            return Refusals.Rule("/text", "Lowering the priority needs a reason.", "降低优先级须填写理由。");
        r.Priority = Priority.Routine;
        move.Words = move.Command.Text;
        StartTriageAnew(r, move.Now);
        return null;
    }

    // the times of the new priority count from now: raising one must not expire it on the spot
    private static void StartTriageAnew(Referral r, DateTimeOffset now)
    {
        if (!r.IsUp)
            return;
        r.LegSubmittedAt = now;
        r.TriagePaused = TimeSpan.Zero;
    }
}
