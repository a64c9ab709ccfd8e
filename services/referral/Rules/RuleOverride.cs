using System.Text.Json.Nodes;
using ReferralService.Referrals;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Rules;

/// <summary>Why a referral goes although a rule warns.</summary>
/// <param name="Reason">A code of the list RuleOverride.</param>
/// <param name="Text">In words, where the code demands it.</param>
internal sealed record RuleOverride(string? Reason, string? Text)
{
    public const string List = "RuleOverride";

    public void Check(Checks checks, string at)
    {
        checks.Text(Reason, at + "/reason", 64);
        checks.Text(Text, at + "/text", Reasons.TextLimit, required: false);
    }

    /// <summary>
    /// Lets a warned referral pass with a reason, and without one not. What was overridden stays on the row as flags,
    /// for the indicators, and in the history with the packs that said so. An emergency is not held.
    /// </summary>
    /// <param name="onward">
    /// The live leg goes to another target: what was overridden of the illness stays so, what is said of the target's
    /// level is judged anew.
    /// </param>
    public static Problem? Pass(Referral r, Move move, RuleCheck check, RuleOverride? given, bool onward = false)
    {
        if (r.IsEmergency)
            return null;
        var settled = onward ? r.Flags.Except(RuleCheck.OfTheTarget).ToArray() : [];
        var warnings = check.Warnings.Where(w => !settled.Contains(w.Code)).ToArray();
        if (warnings.Length > 0)
        {
            if (given is null)
                return new Problem(Refusals.RuleWarning)
                {
                    Detail = new(string.Join(" ", warnings.Select(w => w.SentenceEn)), string.Concat(warnings.Select(w => w.Sentence))),
                    Errors = [new("/override", new("Give a reason of the list RuleOverride to refer all the same.", "确需转诊请从 RuleOverride 代码表中选择理由。"))],
                    More = new Dictionary<string, object?>
                    {
                        ["warnings"] = warnings.Select(w => w.Code).Distinct().ToArray(), ["allowed"] = move.Alliance.ReasonCodes(List, ChinaTime.DayOf(move.Now)),
                    },
                };
            if (move.Give(List, given.Reason, given.Text) is { } unknown)
                return unknown with { Errors = [.. unknown.Errors.Select(e => e with { Pointer = "/override" + e.Pointer })] };
            (move.Detail ??= []).Add("overridden", new JsonArray([.. warnings.Select(w => JsonValue.Create($"{w.Code} {w.Pack}@{w.PackVersion}"))]));
            move.Detail.Add("overrideReason", given.Reason);
        }
        r.Flags = [.. (onward ? settled : r.Flags).Union(check.Flags)];
        return null;
    }
}
