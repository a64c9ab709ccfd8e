using System.Text.Json.Nodes;
using Referrals.Contracts;
using ReferralService.Referrals;
using ReferralService.Workflow;

namespace ReferralService.Deadlines;

/// <summary>A rung of a timer's ladder was reached: nobody acted in time.</summary>
/// <param name="EventName">deadline-warning, deadline-missed, escalated or follow-up-overdue.</param>
internal sealed record DeadlineReached(DeadlineFacts Deadline, string EventName)
{
    public static void Escalate(Referral r, Move<DeadlineReached> move)
    {
        move.Extras.Deadline = move.Command.Deadline;
        move.Detail = new JsonObject { ["timer"] = move.Command.Deadline.Timer, ["level"] = move.Command.Deadline.Level };
    }
}
