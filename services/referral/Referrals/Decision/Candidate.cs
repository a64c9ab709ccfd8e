using ReferralService.Alliances;

namespace ReferralService.Referrals.Decision;

/// <summary>Another institution that has what was asked for: a way on after a refusal, an expiry or a full calendar.</summary>
internal sealed record Candidate(string Institution, string Name, string? Department)
{
    private const int Most = 5;

    /// <summary>
    /// Members of the sender's alliances with the department, that have not had it and skip no level; those of the
    /// last receiver's level first.
    /// </summary>
    public static IReadOnlyList<Candidate> Of(Referral r, AllianceSnapshot alliance, DateOnly on)
    {
        if (alliance.Find(r.Sender) is not { } sender)
            return [];
        var level = alliance.Find(r.Receiver)?.Level;
        return
        [
            .. alliance.Institutions
                .Where(i => i.Code != r.Sender && !r.Tried.Contains(i.Code) && i.Synthetic == sender.Synthetic
                    && (r.Department is null ? i.Level == level : alliance.HasDepartment(i.Code, r.Department))
                    && alliance.ShareAnAlliance(r.Sender, i.Code, on) && !(r.IsUp && alliance.SkipsALevel(r.Sender, i.Code, on)))
                .OrderByDescending(i => i.Level == level).ThenByDescending(i => i.Grid == sender.Grid).ThenBy(i => i.Code, StringComparer.Ordinal)
                .Take(Most).Select(i => new Candidate(i.Code, i.Name, r.Department)),
        ];
    }

    /// <summary>True where somebody has to look for another target.</summary>
    /// <param name="linkIsHidden">Who may not know of a draft does not learn from this that it was discarded.</param>
    public static bool AreNeeded(Referral r, bool linkIsHidden) => r is { State: "Waitlisted" } || r is { State: "Declined" or "Expired" } && (linkIsHidden ? r.LinkedId is null : !r.GoesOn);
}
