using ServiceDefaults.Http;

namespace ReferralService.Matching;

/// <summary>From then on an alliance weighs these reasons so; what it does not name keeps its default.</summary>
internal sealed record MatchSetting(string Alliance, DateTimeOffset Since, IReadOnlyDictionary<string, int> Weights);

/// <summary>
/// What each reason adds to a candidate's score. Whatever an alliance sets, an improvement of a candidate never costs it
/// points: the chains below hold for every set of weights that is stored.
/// </summary>
internal sealed class MatchWeights
{
    public const int Most = 100;
    /// <summary>A later day than this costs no more: <c>FREE_IN_DAYS</c> loses a point a day until then.</summary>
    public const int MostDays = 28;
    /// <summary>A farther place than this costs no more: <c>DISTANCE</c> loses a point every 5 km (an emergency: 3) until then.</summary>
    public const int MostSteps = 30;

    private static readonly Dictionary<string, int> Defaults = new(StringComparer.Ordinal)
    {
        ["CAME_FROM"] = 40, ["CONTRACT_PARTNER"] = 30, ["STANDING_AGREEMENT"] = 40, ["GREEN_CHANNEL_CENTRE"] = 25,
        ["TIER_BELOW_NEED"] = -40, ["TIER_NEXT"] = 15, ["TIER_SAME"] = 0, ["TIER_SKIPPED"] = -20, ["TIER_BY_SPECIALIST_ALLIANCE"] = 10,
        ["SPECIALTY"] = 20, ["GENERAL_DEPARTMENT"] = 5, ["REHAB_JOINT_WARD"] = 25, ["SERVICE_FITS"] = 15, ["SERVICE_MISSING"] = -15,
        ["TIGHT_ALLIANCE"] = 25, ["SEMI_TIGHT_ALLIANCE"] = 20, ["MIXED_ALLIANCE"] = 15, ["LOOSE_ALLIANCE"] = 10,
        ["SPECIALIST_ALLIANCE_LEAD"] = 20, ["OUTSIDE_ALLIANCE"] = -30,
        ["RESIDENCE_GRID_TARGET"] = 20, ["RESIDENCE_GRID_ALLIANCE"] = 10, ["RESIDENCE_GRID"] = 10,
        ["FREE_IN_DAYS"] = 20, ["CAPACITY_UNKNOWN"] = -10, ["FULL"] = -25, ["DISTANCE"] = 15,
    };

    // the first is never worth less than the second
    private static readonly (string More, string Less, int By)[] Chains =
    [
        ("TIGHT_ALLIANCE", "SEMI_TIGHT_ALLIANCE", 0), ("SEMI_TIGHT_ALLIANCE", "MIXED_ALLIANCE", 0), ("MIXED_ALLIANCE", "LOOSE_ALLIANCE", 0),
        ("LOOSE_ALLIANCE", "OUTSIDE_ALLIANCE", 0), ("SPECIALIST_ALLIANCE_LEAD", "LOOSE_ALLIANCE", 0),
        ("TIER_BY_SPECIALIST_ALLIANCE", "TIER_SKIPPED", 0), ("SPECIALTY", "GENERAL_DEPARTMENT", 0), ("SERVICE_FITS", "SERVICE_MISSING", 0),
        ("RESIDENCE_GRID_TARGET", "RESIDENCE_GRID_ALLIANCE", 0), ("RESIDENCE_GRID_ALLIANCE", "RESIDENCE_GRID", 0),
        // free on the last day that counts is still better than full
        ("FREE_IN_DAYS", "FULL", MostDays),
    ];

    // what only ever speaks for somebody, or only against
    private static readonly string[] NeverBelowZero =
        ["CAME_FROM", "CONTRACT_PARTNER", "STANDING_AGREEMENT", "GREEN_CHANNEL_CENTRE", "REHAB_JOINT_WARD", "RESIDENCE_GRID", "LOOSE_ALLIANCE"];
    private static readonly string[] NeverAboveZero = ["TIER_BELOW_NEED", "OUTSIDE_ALLIANCE"];

    public static readonly MatchWeights Default = new(new Dictionary<string, int>());

    private readonly Dictionary<string, int> _all;

    public MatchWeights(IReadOnlyDictionary<string, int> own)
    {
        _all = new(Defaults, StringComparer.Ordinal);
        foreach (var (code, points) in own)
            // a weight of a later version means nothing here
            if (Defaults.ContainsKey(code))
                _all[code] = points;
    }

    public int this[string code] => _all[code];

    /// <summary>Every weight with its code, in order.</summary>
    public IReadOnlyDictionary<string, int> All => new SortedDictionary<string, int>(_all, StringComparer.Ordinal);

    /// <summary>What stands against these weights, once they are laid over the defaults.</summary>
    public static void Check(Checks checks, IReadOnlyDictionary<string, int>? own, string at)
    {
        checks.That(own is { Count: > 0 }, at, "Set something.", "至少设置一项。");
        foreach (var (code, points) in own ?? new Dictionary<string, int>())
            if (!Defaults.ContainsKey(code))
                checks.Add(at, $"Weights are {string.Join(", ", Defaults.Keys)}.", $"权重代码为 {string.Join("、", Defaults.Keys)}。");
            else
                checks.That(Math.Abs((long)points) <= Most, $"{at}/{code}", $"-{Most} to {Most}.", $"-{Most} 至 {Most}。");
        if (!checks.Passed)
            return;
        var weights = new MatchWeights(own!);
        foreach (var (more, less, by) in Chains)
            checks.That(weights[more] - by >= weights[less], at, $"{more} less {by} is not below {less}: no improvement costs a place.", $"{more} 减 {by} 不得低于 {less}：条件改善不应使排名下降。");
        foreach (var code in NeverBelowZero)
            checks.That(weights[code] >= 0, $"{at}/{code}", "Not below 0.", "不得小于 0。");
        foreach (var code in NeverAboveZero)
            checks.That(weights[code] <= 0, $"{at}/{code}", "Not above 0.", "不得大于 0。");
    }
}

/// <summary>Every version of every alliance's weights.</summary>
internal sealed class MatchWeightBook(IEnumerable<MatchSetting> settings)
{
    public static readonly MatchWeightBook Empty = new([]);

    private readonly ILookup<string, MatchSetting> _settings = settings.OrderByDescending(s => s.Since).ToLookup(s => s.Alliance);

    /// <summary>What holds in an alliance at a moment; the defaults where it has set nothing, or there is none.</summary>
    public MatchWeights Of(string? alliance, DateTimeOffset at) =>
        alliance is not null && _settings[alliance].FirstOrDefault(s => s.Since <= at) is { } own ? new(own.Weights) : MatchWeights.Default;
}
