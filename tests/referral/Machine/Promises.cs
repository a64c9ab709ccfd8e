using Referrals.Contracts;
using ReferralService.Deadlines;
using ReferralService.Referrals;
using ReferralService.Workflow;

namespace ReferralService.Tests.Machine;

/// <summary>Invariants 1 to 9 of the lifecycle, as far as a row, its history and its family can show them.</summary>
internal static class Promises
{
    /// <summary>What one move wrote: versions and sequences without a gap, one event for each row from submit on.</summary>
    public static void Rows(Life before, Referral row, Move move)
    {
        var (version, sequence, state) = (before.Row.Version, before.Row.Sequence, before.Row.Told?.State);
        foreach (var told in move.Rows)
        {
            Holds(told.Version == ++version, row, $"version {told.Version} follows {version - 1}");
            Holds(told.From == state, row, $"the row {told.Event} comes from {told.From}, not {state}");
            state = told.To;
            Holds((told.Sequence is null) == (told.EventBody is null), row, $"the row {told.Event} has an event and no sequence, or no event");
            if (told.Sequence is { } number)
            {
                Holds(number == ++sequence, row, $"sequence {number} follows {sequence - 1}");
                Holds(told.EventBody!.Contains($"\"sequence\":\"{number}\"", StringComparison.Ordinal), row, "the event has the sequence of its row");
                Holds(!told.EventBody.Contains("SECRET", StringComparison.Ordinal) && !told.EventBody.Contains('秘'), row, $"{told.Event} tells something about the patient");
            }
            else
                Holds(row.SubmittedAt is null, row, $"partners do not hear of {told.Event}");
        }
        Holds(row.Version == version && row.Sequence == sequence && row.State == state, row, "the row stands where its last history row says");
        Holds(row.EtagVersion <= row.Version && row.EtagVersion >= before.Row.EtagVersion, row, "the entity tag goes back");
        Holds(before.Row.SlipVersion == row.SlipVersion || row.SubmittedAt is null, row, "a slip is frozen at submit");
    }

    public static void Check(Life life, Family family)
    {
        var r = life.Row;
        var final = MovesModel.Finals.Contains(r.State);

        // 1: one live leg, never the same target twice
        Holds(r.Tried.Distinct().Count() == r.Tried.Length && r.Tried[^1] == r.Receiver && r.Sender != r.Receiver, r, "a target is tried twice");
        Holds(r.SubmittedAt is null ? r.Leg == 0 : r.Leg == r.Tried.Length, r, "the leg is not the number of targets");
        Holds(r.Leg <= 3 || r.IsEmergency, r, "more than three legs");

        // 2: an end has its time and its reason, and nothing is left to do
        Holds(final == r.IsFinal, r, "an end without its time, or a time without its end");
        if (final)
        {
            Holds(r.Reason is not null || r.Outcome is not null || r.State == "Expired" || r.SubmittedAt is null, r, "an end without a reason");
            Holds(r.Timers == "[]" && r.NextDeadline is null && r.NextDeadlineAt is null, r, "an end with a running timer");
            // 4: and nothing held
            Holds(r.BookingId is null && r.BookingCodeHash is null, r, "an end that holds a place");
            Holds(r.ClaimedBy is null && r.CameFrom is null, r, "an end that is claimed");
        }
        Holds(r.ArrivedAt is null || r.BookingCodeHash is null || !r.At(ReferralState.Arrived), r, "a code that works twice");

        // 3: the events tell the same as the row
        if (r.SubmittedAt is not null)
        {
            var told = Replay.Of(r);
            Holds(life.Heard == told, r, $"the events say {life.Heard}, the row {told}");
        }

        Loop(r, family, final);

        // 7: emergencies
        if (r.IsEmergency)
        {
            Holds(r.State is not ("Expired" or "Declined" or "NoShow"), r, "an emergency that is expired, declined or missed");
            if (r is { SubmittedAt: not null, AcknowledgedAt: null, ArrivedAt: null } && !final)
                Holds(Timers.Running(r).Exists(t => t is { Timer: "GreenChannel", DueAt: not null }), r, "an emergency without its alarm");
        }

        // 8: whoever must act is known, and so is the next deadline
        Holds(WaitingFor.Of(r) == "nobody" == final, r, "nobody must act, or somebody after the end");
        Holds(final || r.State is "Draft" or "FollowUp" or "Treated" || r.NextDeadlineAt is not null
            || r.IsEmergency && r.AcknowledgedAt is not null || r.LadderEnded(), r, "no next deadline");
    }

    // 5: the loop closes when the patient is back
    private static void Loop(Referral r, Family family, bool final)
    {
        if (final)
            Holds(r.LiveChildId is null, r, "an end with a live child");
        var children = family.Lives.Where(l => l.Row.ParentId == r.Id && l.Row.Relation == Relation.Return).Select(l => l.Row).ToArray();
        if (r.IsUp)
            Holds((r.Outcome == Outcome.Returned) == (children.Count(c => c.ArrivedAt is not null) == 1), r, "returned without an arrival, or an arrival without the return");
        Holds(children.Count(c => c is { EndedAt: null, ArrivedAt: null }) == (r.LiveChildId is null ? 0 : 1), r, "the live child is another one");
        Holds(children.Length == 0 || r.TreatedAt is not null, r, "a way back before the treatment");
        Holds(final || !family.Lives.Any(l => l.Row.ParentId == r.Id && l.Row.AcceptedAt is not null && EndsItsParent(l.Row)), r, "a linked referral was accepted and this one goes on");
        // 6: one episode
        if (r.ParentId is { } parent)
            Holds(family.Find(parent).Row.EpisodeId == r.EpisodeId, r, "a linked referral of another episode");
    }

    private static bool EndsItsParent(Referral r) =>
        r.Relation is Relation.Onward or Relation.ReReferral && !r.Flags.Contains(ReferralService.Referrals.Treatment.ReferFurther.PlannedCheckFlag);

    // a ladder without an urge ends with its last rung; then the others of the state decide
    private static bool LadderEnded(this Referral r) => Timers.Running(r).Count > 0;

    private static void Holds(bool promise, Referral r, string otherwise)
    {
        if (!promise)
            throw new DifferenceException($"{otherwise} ({r.Priority} {r.Kind} in {r.State}, version {r.Version})");
    }
}
