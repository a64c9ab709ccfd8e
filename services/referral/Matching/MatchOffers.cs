using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Matching;

/// <summary>The target as it was chosen out of a ranking.</summary>
internal sealed record MatchChoice
{
    /// <summary>The <c>offer</c> of the answer that ranked the candidates.</summary>
    public string? Offer { get; init; }
    /// <summary>Why not the first: a code of the list MatchOverride.</summary>
    public string? Reason { get; init; }
    public string? Text { get; init; }
    /// <summary>Place of the chosen one; absent when it was not among them. Found by the service.</summary>
    public int? Rank { get; init; }
    /// <summary>How many were offered. Found by the service.</summary>
    public int? Of { get; init; }
    /// <summary>Institution and department that stood first. Found by the service.</summary>
    public string? First { get; init; }

    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsFirst => Rank == 1;

    public void Check(Checks checks, string at)
    {
        checks.Text(Offer, at + "/offer", 500);
        checks.Text(Reason, at + "/reason", 64, required: false);
        checks.Text(Text, at + "/text", Reasons.TextLimit, required: false);
    }
}

/// <summary>
/// A ranking goes out with a signed note of who stood where. Whoever chooses out of it sends the note back: nothing is
/// stored for rankings that lead nowhere, and nobody can claim one that was never given.
/// </summary>
internal sealed class MatchOffers(Cursors seals)
{
    public const string List = "MatchOverride";
    /// <summary>Flag of a referral that went elsewhere than to the first candidate.</summary>
    public const string Overridden = "MATCH_OVERRIDDEN";
    private const string Name = "match-offer";
    private const int Most = 10;
    private static readonly TimeSpan Holds = TimeSpan.FromDays(7);

    public string Seal(string sender, IEnumerable<Candidate> ranked, DateTimeOffset now) => seals.Seal(Name,
        $"{now.ToUnixTimeSeconds()}|{sender}|{string.Join(',', ranked.Take(Most).Select(c => c.Institution + "/" + c.Department))}");

    /// <summary>The choice with its place in the offer, or what stands against it.</summary>
    public (MatchChoice? Choice, Problem? Problem) Take(
        MatchChoice choice, string sender, string institution, string? department, AllianceSnapshot alliance, DateTimeOffset now)
    {
        if (seals.Open(Name, choice.Offer!)?.Split('|') is not [var at, var asker, var list] || asker != sender
            || now - DateTimeOffset.FromUnixTimeSeconds(long.Parse(at)) > Holds)
            return (null, Refusals.Rule("/match/offer", "Not an offer of the last days for your institution: ask for a match again.", "不是近期为本机构生成的匹配结果，请重新匹配。"));
        var offered = list.Split(',', StringSplitOptions.RemoveEmptyEntries);
        var rank = Array.FindIndex(offered, o => o == $"{institution}/{department}" || department is null && o.StartsWith(institution + "/", StringComparison.Ordinal)) + 1;
        var taken = choice with { Rank = rank == 0 ? null : rank, Of = offered.Length, First = offered.FirstOrDefault() };
        if (taken.IsFirst)
            return (taken with { Reason = null, Text = null }, null);
        var day = ChinaTime.DayOf(now);
        if (choice.Reason is null || alliance.Reason(List, choice.Reason, day) is not { } known)
            return (null, new Problem(Refusals.RuleBroken)
            {
                Errors = [new("/match/reason", new("Say why not the first candidate: a code of the list MatchOverride.", "未选择首位推荐，请从 MatchOverride 代码表中选择理由。"))],
                More = new Dictionary<string, object?> { ["allowed"] = alliance.ReasonsOf(List, day).Select(r => r.Code).Order(StringComparer.Ordinal).ToArray() },
            });
        return known.TextRequired && string.IsNullOrWhiteSpace(choice.Text)
            ? (null, Refusals.Rule("/match/text", "This reason needs a text.", "该理由须填写说明。"))
            : (taken, null);
    }
}
