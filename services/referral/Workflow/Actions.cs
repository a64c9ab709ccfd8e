using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Referrals;
using ReferralService.Referrals.Decision;
using ServiceDefaults.Auth;

namespace ReferralService.Workflow;

/// <summary>What a caller can do with a referral now: computed from the machine, for this side, role, kind and state.</summary>
internal sealed class Actions(MoveIndex index, Access access, AllianceDirectory directory, TimeProvider clock)
{
    private IReadOnlyCollection<Verb> _verbs = [];

    /// <summary>The verbs the routes offer, told once at start.</summary>
    public void Offer(IReadOnlyCollection<Verb> verbs) => _verbs = verbs;

    public IReadOnlyList<string> Of(Referral referral, Caller caller)
    {
        var sides = access.SidesOf(caller, referral);
        if (sides == Side.None)
            return [];
        var possible = new List<string>();
        foreach (var verb in _verbs)
            if (verb.IsFor(caller) && index.Allows(referral, verb.Name, sides))
                possible.Add(verb.Name);
        return possible;
    }

    /// <summary>Other targets, for a party that has to look for one; null otherwise.</summary>
    public IReadOnlyList<Candidate>? Candidates(Referral referral, Caller caller) =>
        Candidate.AreNeeded(referral, Access.IsHiddenLink(caller, referral)) ? Candidate.Of(referral, directory.Current, ChinaTime.DayOf(clock.GetUtcNow())) : null;

    public CommandAnswer Answer(Referral r, Caller caller, IReadOnlyList<Birth> births) => new(
        r.Id, r.ReferralNo, r.EpisodeId, r.State, r.Sequence, r.StateSince, WaitingFor.Of(r), r.Outcome, Deadline.Of(r), Of(r, caller),
        Born([.. births.Select(b => b.New.Referral).Where(born => access.IsParty(caller, born))]), Candidates(r, caller));

    // a draft is nothing to its receiver, and be it the receiver that brought it about
    private static LinkedAnswer[]? Born(Referral[] shown) =>
        shown.Length == 0 ? null : [.. shown.Select(r => new LinkedAnswer(r.Id, r.ReferralNo, r.State))];
}

/// <summary>Answer to every command: ids, state and what is possible next; no patient data.</summary>
/// <param name="WaitingFor">Who must act: sender, receiver, approver, scheduling, patient or nobody.</param>
/// <param name="Linked">Referrals that the command created, but for drafts of somebody else.</param>
/// <param name="Candidates">After a refusal, an expiry or on a waiting list: other institutions that could take the patient.</param>
internal sealed record CommandAnswer(
    Guid Id, string ReferralNo, Guid EpisodeId, string State, long Sequence, DateTimeOffset StateSince, string WaitingFor,
    Outcome? Outcome, Deadline? NextDeadline, IReadOnlyList<string> AvailableActions, IReadOnlyList<LinkedAnswer>? Linked,
    IReadOnlyList<Candidate>? Candidates = null)
{
    internal static readonly CommandAnswer Example = new(
        new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f"), "U261122000001234", new("019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e50"), "Accepted", 2,
        new(2026, 11, 22, 1, 30, 0, TimeSpan.Zero), "scheduling", null, new("Scheduling", new(2026, 11, 22, 3, 30, 0, TimeSpan.Zero)),
        ["redirect", "request-cancellation", "dispatch", "close", "note"], null);
}

internal sealed record LinkedAnswer(Guid Id, string ReferralNo, string State);

/// <summary>The next timer that runs out.</summary>
internal sealed record Deadline(string Timer, DateTimeOffset DueAt)
{
    public static Deadline? Of(Referral r) => r.NextDeadline is null ? null : new(r.NextDeadline, r.NextDeadlineAt!.Value);
}

internal static class WaitingFor
{
    /// <summary>The party whose turn it is.</summary>
    public static string Of(Referral r) => r.State switch
    {
        "Draft" or "InformationRequested" => "sender",
        "InternalReview" => "approver",
        "Accepted" or "Waitlisted" => r.Kind == ReferralKind.DiagnosticReading ? "receiver" : "scheduling",
        "Scheduled" or "NoShow" => r.IsUp ? "patient" : "sender",
        "Completed" or "Advised" or "Declined" or "Cancelled" or "Expired" or "Closed" => "nobody",
        _ => "receiver",
    };
}
