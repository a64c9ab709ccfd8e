using System.Text.Json.Nodes;
using MassTransit;
using Referrals.Contracts;
using ReferralService.Deadlines;
using ReferralService.Referrals.Ending;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.FollowUps;

/// <summary>Follow-up n of m at the primary level, or the attempt at one.</summary>
/// <param name="Way">Clinic, Home, Phone or Ward.</param>
/// <param name="NextDueOn">Day of the next one; by the plan when absent, and a week later where the plan has none or it is past.</param>
internal sealed record RecordFollowUp(FollowUpWay? Way, string? Text, DateOnly? NextDueOn, DateTimeOffset? At) : ICommand
{
    /// <summary>Times in a row that nobody may be reached before the coordinator hears of it.</summary>
    public const int MostUnreached = 3;

    /// <summary>Reason of an escalation for which no deadline passed: it counts as none that was missed.</summary>
    public const string Unreached = "UNREACHABLE";

    /// <summary>
    /// True: nobody was reached. It is no follow-up and moves no date; the third time in a row the next of the ladder
    /// hears of it at once.
    /// </summary>
    public bool Unreachable { get; init; }

    /// <summary>When the plan of the slip has the next one.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public DateOnly? Planned { get; init; }

    public void Check(Checks checks)
    {
        checks.Required(Way, "/way");
        checks.Time(At, "/at");
        checks.Day(NextDueOn, "/nextDueOn");
        checks.Text(Text, "/text", 20_000);
        checks.That(!Unreachable || NextDueOn is null, "/nextDueOn", "Nobody was reached: what is due stays due.", "未能联系到患者，随访日期不变。");
    }

    public static Problem? Visit(Referral r, Move<RecordFollowUp> move)
    {
        var at = move.Command.At ?? move.Now;
        if (at > move.Now.AddMinutes(5) || at < r.ArrivedAt)
            return Refusals.Rule("/at", "Between the arrival and now.", "须在到达之后、当前时间之前。");
        move.Words = move.Command.Text;
        if (move.Command.Unreachable)
        {
            r.FollowUpsUnreached++;
            move.Detail = new JsonObject { ["way"] = move.Command.Way.ToString(), ["unreached"] = r.FollowUpsUnreached };
            return null;
        }
        r.FollowUpsUnreached = 0;
        r.FollowUpsDone++;
        r.FollowUpsPlanned = Math.Max(r.FollowUpsPlanned, r.FollowUpsDone);
        r.FollowUpSince = at;
        var left = r.FollowUpsPlanned - r.FollowUpsDone;
        var day = ChinaTime.DayOf(at);
        r.NextFollowUpOn = move.Command.NextDueOn ?? (left <= 0 ? null : move.Command.Planned is { } planned && planned > day ? planned : day.AddDays(7));
        move.Detail = new JsonObject
        {
            ["way"] = move.Command.Way.ToString(), ["number"] = r.FollowUpsDone, ["of"] = r.FollowUpsPlanned,
        };
        return null;
    }
}

/// <summary>What the machine does with a follow-up that did not happen.</summary>
internal static class Unreached
{
    /// <summary>Only a follow-up that happened begins the plan.</summary>
    public static EventActivityBinder<Referral, Move<RecordFollowUp>> BeginPlan(
        this EventActivityBinder<Referral, Move<RecordFollowUp>> move, ReferralStateMachine to) =>
        move.If(m => !m.Message.Command.Unreachable, m => m.TransitionTo(to.FollowUp)).OrStay();

    /// <summary>The third time in a row does not wait for the ladder of the timer that runs.</summary>
    public static EventActivityBinder<Referral, Move<RecordFollowUp>> EscalateUnreached(this EventActivityBinder<Referral, Move<RecordFollowUp>> move) =>
        move.If(m => m.Message.Command.Unreachable && m.Saga.FollowUpsUnreached % RecordFollowUp.MostUnreached == 0,
            m => m.Do(Escalate).Tell(ReferralEvents.Escalated));

    private static void Escalate(Referral r, Move<RecordFollowUp> move)
    {
        var timer = r.At(ReferralState.Arrived) ? "FirstFollowUp" : "FollowUpDue";
        var setting = move.Alliance.TimerFor(timer, r, move.Now);
        // where nothing more is planned it is about today
        var facts = new DeadlineFacts(timer, Timers.DueOf(r, timer, move.Alliance) ?? move.Now, setting.Steps.Count + 1,
            setting.UrgeTo is [var next, ..] ? [next] : ["Coordinator"]);
        move.Extras.Deadline = facts;
        move.Reason = RecordFollowUp.Unreached;
        move.Detail = new JsonObject { ["timer"] = facts.Timer, ["level"] = facts.Level, ["unreached"] = r.FollowUpsUnreached };
    }
}

internal enum FollowUpWay { Clinic, Home, Phone, Ward, UpperRound }

/// <summary>The hospital's specialist changes the plan that the primary level carries out (上级制定方案、下级实施治疗).</summary>
internal sealed record AdjustPlan(string? Text, int? FollowUps, DateOnly? NextDueOn) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(Text, "/text", 20_000);
        checks.Day(NextDueOn, "/nextDueOn");
        checks.That(FollowUps is null or (>= 1 and <= 100), "/followUps", "1 to 100.", "1 至 100。");
    }

    public static Problem? Change(Referral r, Move<AdjustPlan> move)
    {
        if (move.Command.FollowUps is { } planned)
        {
            if (planned < r.FollowUpsDone)
                return Refusals.Rule("/followUps", "Fewer than were already done.", "不能少于已完成次数。");
            r.FollowUpsPlanned = planned;
        }
        r.NextFollowUpOn = move.Command.NextDueOn ?? r.NextFollowUpOn;
        move.Words = move.Command.Text;
        return null;
    }
}

/// <summary>The plan has run: the outcome goes to the hospital.</summary>
internal sealed record FinishPlan(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", 20_000);

    public static Problem? Conclude(Referral r, Move<FinishPlan> move)
    {
        move.Words = move.Command.Text;
        r.Outcome = Outcome.PlanFinished;
        r.NextFollowUpOn = null;
        return Ends.At(r, move);
    }
}
