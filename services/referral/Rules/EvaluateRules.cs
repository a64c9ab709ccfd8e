using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Rules;

/// <summary>What the rules would say about a referral that is not written yet. Names nobody: diagnosis, findings and target only.</summary>
internal sealed record EvaluateRules : ICommand
{
    public ReferralKind? Kind { get; init; }
    public Priority? Priority { get; init; }
    /// <summary>The coded diagnosis, of any coding system.</summary>
    public string? Diagnosis { get; init; }
    /// <summary>Criteria the doctor ticked.</summary>
    public string[]? Indications { get; init; }
    /// <summary>Measured values by name, e.g. <c>systolic</c>.</summary>
    public Dictionary<string, decimal>? Measures { get; init; }
    /// <summary>Since when there is an indication.</summary>
    public DateOnly? IndicatedSince { get; init; }
    /// <summary>Code or exact name of the target.</summary>
    public string? To { get; init; }
    /// <summary>Day whose rules are asked; today when absent.</summary>
    public DateOnly? On { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Diagnosis, "/diagnosis", 64);
        checks.That(Diagnosis is null || Diagnosis.Length >= 3, "/diagnosis", "At least three characters.", "至少 3 个字符。");
        checks.Text(To, "/to", 100, required: false);
        Ticked(checks, Indications, Measures, "");
        checks.Day(IndicatedSince, "/indicatedSince");
        checks.Day(On, "/on");
    }

    /// <summary>What a slip and an evaluation both may say of indications.</summary>
    public static void Ticked(Checks checks, string[]? indications, Dictionary<string, decimal>? measures, string at)
    {
        checks.That(indications is not { Length: > 50 }, at + "/indications", "At most 50.", "最多 50 项。");
        for (var i = 0; i < Math.Min(50, indications?.Length ?? 0); i++)
            checks.Text(indications![i], $"{at}/indications/{i}", 64);
        checks.That(measures is not { Count: > 50 } && measures?.Keys.All(k => k.Length is > 0 and <= 40) != false, at + "/measures",
            "At most 50, with names of 1 to 40 characters.", "最多 50 项，名称 1 至 40 个字符。");
    }

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/rules/evaluate", Evaluate)
        .Accepts<EvaluateRules>("application/json")
        .Describe("evaluateRules", "Rules", "What the alliance's rules say about a referral, before it is written: a code and a sentence each.",
            "A Warning needs an override reason at submit; a Hint does not. The checklist holds the criteria of every pack that covers the diagnosis.")
        .Produces<Evaluation>().Refuses(400, 403, 408, 413, 415, 422)
        .Example(Asked, Answered);

    private static async Task<IResult> Evaluate(HttpContext http, AllianceDirectory directory, TimeProvider clock)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        var (body, malformed, _) = await RequestBody.Read<EvaluateRules>(http);
        if (malformed is not null)
            return new ProblemResult(malformed);
        var checks = new Checks();
        body!.Check(checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);

        var (alliance, day) = (directory.Current, body.On ?? ChinaTime.DayOf(clock.GetUtcNow()));
        var target = body.To is null ? null : alliance.Find(body.To);
        if (body.To is not null && target is null)
            return new ProblemResult(Refusals.Rule("/to", "No such institution; use its code or exact name.", "未找到该机构，请使用机构代码或准确全称。"));
        if (UnknownIndication(body.Indications, alliance.Rules, day, "") is { } unknown)
            return new ProblemResult(unknown);
        var question = new RuleQuestion(body.Kind ?? ReferralKind.OutpatientTransfer, body.Priority ?? global::Referrals.Contracts.Priority.Routine, body.Diagnosis,
            body.Indications ?? [], body.Measures ?? [], body.IndicatedSince, target?.Level, day);
        var check = RuleCheck.Of(question, alliance.Rules);
        return TypedResults.Ok(new Evaluation(day, check.Warnings.Any() ? RuleWeight.Warning : check.Findings.Max(f => (RuleWeight?)f.Weight) ?? RuleWeight.Fits,
            check.Findings, [.. alliance.Rules.Covering(body.Diagnosis!, day)],
            alliance.Rules.DepartmentsFor(body.Diagnosis!, day), check.Warnings.Any() ? alliance.ReasonCodes(RuleOverride.List) : []));
    }

    /// <summary>A tick that no pack in force knows is a mistake of the form, not an indication.</summary>
    public static Problem? UnknownIndication(string[]? indications, RuleBook book, DateOnly day, string at)
    {
        if (indications is not { Length: > 0 })
            return null;
        var known = book.On(day).SelectMany(p => p.Criteria!).Select(c => c.Code).ToHashSet();
        for (var i = 0; i < indications.Length; i++)
            if (!known.Contains(indications[i]))
                return Refusals.Rule($"{at}/indications/{i}", "No pack in force knows this criterion.", "现行规则中没有该指征代码。");
        return null;
    }

    private static readonly EvaluateRules Asked = new() { Diagnosis = "J06.900", Priority = global::Referrals.Contracts.Priority.Routine };

    private static readonly Evaluation Answered = new(new(2026, 11, 22), RuleWeight.Warning,
        [
            new(RuleCheck.NoIndication, RuleWeight.Warning, "「急性上呼吸道感染」属基层首诊病种，未见上转指征；确需上转请填写理由。",
                "Acute upper respiratory infection belongs to primary care first and no indication to refer is given; a reason is needed to refer all the same.",
                "upper-respiratory-infection", 1, []),
        ],
        [RulePack.Example with { Id = "upper-respiratory-infection", Version = 1 }], ["03.01"], ["CLINICAL_JUDGEMENT", "OTHER", "PATIENT_REQUEST"]);
}

/// <summary>What the rules say, with the checklists of the packs that cover the diagnosis.</summary>
/// <param name="Verdict">The weightiest of the findings.</param>
/// <param name="Departments">Departments that usually treat the diagnosis.</param>
/// <param name="OverrideReasons">Codes of the list RuleOverride, one of which a warning needs at submit.</param>
internal sealed record Evaluation(
    DateOnly On, RuleWeight Verdict, IReadOnlyList<RuleFinding> Findings, IReadOnlyList<RulePack> Checklist,
    IReadOnlyList<string> Departments, IReadOnlyList<string> OverrideReasons);
