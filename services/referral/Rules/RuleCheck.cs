using Referrals.Contracts;
using ReferralService.Alliances;

namespace ReferralService.Rules;

/// <summary>What a finding asks of the sender.</summary>
internal enum RuleWeight
{
    /// <summary>It fits.</summary>
    Fits,
    /// <summary>Worth knowing; nothing stands in the way.</summary>
    Hint,
    /// <summary>To go on all the same needs a reason, and is counted.</summary>
    Warning,
}

/// <summary>One sentence of the rules about one referral.</summary>
/// <param name="Code">Stable code for programs, e.g. <c>IN_CATALOGUE_NO_INDICATION</c>.</param>
/// <param name="Sentence">The same for people, in Chinese.</param>
/// <param name="Pack">Pack and version that say so.</param>
/// <param name="Criteria">Criteria of the pack that are met, or that ask for it.</param>
internal sealed record RuleFinding(string Code, RuleWeight Weight, string Sentence, string SentenceEn, string? Pack, int? PackVersion, IReadOnlyList<string> Criteria);

/// <summary>What the rules are asked.</summary>
internal sealed record RuleQuestion(
    ReferralKind Kind, Priority Priority, string? Diagnosis, IReadOnlyCollection<string> Indications,
    IReadOnlyDictionary<string, decimal> Measures, DateOnly? IndicatedSince, string? ReceiverLevel, DateOnly On)
{
    public Direction Direction => Kind == ReferralKind.RehabReturn ? Direction.Down : Direction.Up;
}

/// <summary>What the rules of the alliance say about one referral: a pure function of question and rule book.</summary>
internal sealed record RuleCheck(IReadOnlyList<RuleFinding> Findings)
{
    public const string NoIndication = "IN_CATALOGUE_NO_INDICATION", TierTooLow = "RECEIVING_TIER_TOO_LOW", TierTooHigh = "RECEIVING_TIER_TOO_HIGH",
        PriorityTooLow = "PRIORITY_TOO_LOW", Delayed = "DELAYED_REFERRAL";

    public static readonly RuleCheck Nothing = new([]);

    /// <summary>Findings about the target rather than the illness: another target, another finding.</summary>
    public static readonly string[] OfTheTarget = [TierTooLow, TierTooHigh];

    public IEnumerable<RuleFinding> Warnings => Findings.Where(f => f.Weight == RuleWeight.Warning);

    /// <summary>What the indicators count.</summary>
    public IEnumerable<string> Flags =>
        Findings.Where(f => f.Weight == RuleWeight.Warning || f.Code is Delayed or PriorityTooLow).Select(f => f.Code).Distinct();

    /// <summary>
    /// Judges a transfer, upward or back. Kinds that keep the patient where they are do not leave primary care: nothing
    /// stands against them. An emergency is never warned: it goes.
    /// </summary>
    public static RuleCheck Of(RuleQuestion q, RuleBook book)
    {
        if (q.Kind is not (ReferralKind.OutpatientTransfer or ReferralKind.InpatientTransfer or ReferralKind.RehabReturn))
            return new([new("PATIENT_STAYS", RuleWeight.Fits, "患者留在基层，无需核对转诊指征。", "The patient stays at the primary level: no indication is needed.", null, null, [])]);
        if (q.Diagnosis is null)
            return new([new("UNCODED", RuleWeight.Hint, "未填写诊断编码，无法核对转诊指征。", "Without a coded diagnosis no indication can be checked.", null, null, [])]);
        var packs = book.Covering(q.Diagnosis, q.On).ToArray();
        if (packs.Length == 0)
            return new([new("NOT_COVERED", RuleWeight.Fits, "该诊断不在本医联体规则范围内。", "No rule of the alliance speaks of this diagnosis.", null, null, [])]);
        return new([.. packs.SelectMany(pack => q.Direction == Direction.Up ? Upward(q, pack) : Downward(q, pack))]);
    }

    private static IEnumerable<RuleFinding> Upward(RuleQuestion q, RulePack pack)
    {
        var met = Met(q, pack, Direction.Up);
        var warning = q.Priority == Priority.Emergency ? RuleWeight.Hint : RuleWeight.Warning;
        if (met.Length == 0)
        {
            yield return pack.FirstContact
                ? Say(pack, NoIndication, warning, $"「{pack.NameZh}」属基层首诊病种，未见上转指征；确需上转请填写理由。",
                    $"{pack.NameEn} belongs to primary care first and no indication to refer is given; a reason is needed to refer all the same.", [])
                : Say(pack, "NO_INDICATION", RuleWeight.Hint, $"未见「{pack.NameZh}」的上转指征。", $"No indication to refer {pack.NameEn} is given.", []);
            yield break;
        }
        yield return Say(pack, "INDICATED", RuleWeight.Fits, $"符合「{pack.NameZh}」上转指征：{string.Join("；", met.Select(c => c.TextZh))}。",
            $"Indicated for {pack.NameEn}: {string.Join("; ", met.Select(c => c.TextEn))}.", met);

        if (met.Where(c => c.Priority > q.Priority).ToArray() is { Length: > 0 } sooner)
            // told and counted, not held up: whoever triages may raise it
            yield return Say(pack, PriorityTooLow, RuleWeight.Hint, $"该指征应按{PriorityZh(sooner.Max(c => c.Priority)!.Value)}转诊，当前为{PriorityZh(q.Priority)}。",
                $"This indication asks for {sooner.Max(c => c.Priority)}, the referral says {q.Priority}.", sooner);
        var levels = met.Where(c => c.Levels is { Length: > 0 }).ToArray();
        if (q.ReceiverLevel is { } level && levels.Length > 0 && levels.Length == met.Length && !levels.Any(c => c.Levels!.Contains(level)))
        {
            var tiers = levels.SelectMany(c => c.Levels!).Select(AllianceSnapshot.TierOf).ToArray();
            if (AllianceSnapshot.TierOf(level) < tiers.Min())
                yield return Say(pack, TierTooLow, warning, "接收机构级别低于该指征所需级别。", "The receiver stands below the level this indication needs.", levels);
            else if (AllianceSnapshot.TierOf(level) > tiers.Max())
                yield return Say(pack, TierTooHigh, warning, "接收机构级别高于该指征所需级别，应就近转至相应级别机构。", "The receiver stands above the level this indication needs.", levels);
        }
        if (q.IndicatedSince is { } since && met.Where(c => c.WithinDays is { } days && since.AddDays(days) < q.On).ToArray() is { Length: > 0 } late)
            yield return Say(pack, Delayed, RuleWeight.Hint, $"自 {since:yyyy-MM-dd} 起已有上转指征，应在 {late.Min(c => c.WithinDays)} 日内转诊，属延迟转诊。",
                $"Indicated since {since:yyyy-MM-dd}; it should have gone within {late.Min(c => c.WithinDays)} days.", late);
    }

    private static IEnumerable<RuleFinding> Downward(RuleQuestion q, RulePack pack)
    {
        if (!pack.Criteria!.Any(c => c.Direction == Direction.Down))
            yield break;
        var met = Met(q, pack, Direction.Down);
        yield return met.Length > 0
            ? Say(pack, "DOWN_INDICATED", RuleWeight.Fits, $"符合「{pack.NameZh}」下转条件：{string.Join("；", met.Select(c => c.TextZh))}。",
                $"Ready to come down with {pack.NameEn}: {string.Join("; ", met.Select(c => c.TextEn))}.", met)
            : Say(pack, "NO_DOWN_INDICATION", RuleWeight.Hint, $"未勾选「{pack.NameZh}」的下转条件，请核对病情是否稳定。",
                $"No sign that {pack.NameEn} is ready to come down is given; check that the patient is stable.", []);
    }

    private static RuleCriterion[] Met(RuleQuestion q, RulePack pack, Direction direction) =>
        [.. pack.Criteria!.Where(c => c.Direction == direction && c.IsMet(q.Diagnosis, q.Indications, q.Measures))];

    private static RuleFinding Say(RulePack pack, string code, RuleWeight weight, string zh, string en, IEnumerable<RuleCriterion> criteria) =>
        new(code, weight, zh, en, pack.Id, pack.Version, [.. criteria.Select(c => c.Code!)]);

    private static string PriorityZh(Priority priority) => priority switch { Priority.Emergency => "急诊", Priority.Urgent => "紧急", Priority.Routine => "普通" };
}
