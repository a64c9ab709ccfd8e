using System.Text.Json.Nodes;
using Referrals.Contracts;
using ReferralService.Referrals;

namespace ReferralService.Workflow;

/// <summary>One row of the history: a step of the machine, and from submit on one event.</summary>
internal sealed record HistoryRow(
    Guid MessageId, long Version, long? Sequence, string Event, string? From, string To, int Leg, string? Reason,
    JsonObject? Detail, string? Words, string? EventBody);

internal static class HistoryRows
{
    /// <summary>
    /// Appends the row of one step: next version, next sequence when partners hear of it, a new entity tag when
    /// state, leg, priority or slip changed.
    /// </summary>
    public static void Write(Referral referral, Move move, string name, bool partnersHear)
    {
        var before = referral.Told;
        referral.Version++;
        referral.ChangedAt = move.Now;
        long? sequence = partnersHear ? ++referral.Sequence : null;
        referral.Told = new(referral.State, referral.Leg, referral.Priority, referral.SlipVersion);
        if (before != referral.Told)
            referral.EtagVersion = referral.Version;
        if (before?.State != referral.State)
            referral.StateSince = move.Now;

        var id = Guid.CreateVersion7(move.Now);
        // words and detail belong to one row: the first a command writes after they were said
        var (detail, words) = (move.Detail, move.Words);
        (move.Detail, move.Words) = (null, null);
        move.Rows.Add(new(id, referral.Version, sequence, name, before?.State, referral.State, referral.Leg, move.Reason,
            detail, words,
            partnersHear ? EventBodies.Write(referral, move, name, id) : null));
    }
}

/// <summary>What a history row compares itself with.</summary>
internal sealed record Told(string State, int Leg, Priority Priority, int SlipVersion);
