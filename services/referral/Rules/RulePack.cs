using Referrals.Contracts;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Rules;

/// <summary>
/// What the alliance holds about one illness: whether primary care sees it first (基层首诊病种), and who should go up
/// and who may come down. As it was published; a change is the next version, with the day from which it holds.
/// </summary>
internal sealed record RulePack : ICommand
{
    /// <summary>Short name, e.g. <c>hypertension</c>.</summary>
    public string? Id { get; init; }
    /// <summary>1, 2, 3 …; given by the service.</summary>
    public int? Version { get; init; }
    public string? NameZh { get; init; }
    public string? NameEn { get; init; }
    /// <summary>First day on which it holds.</summary>
    public DateOnly? Since { get; init; }
    /// <summary>Last day, where the pack ends without a next version.</summary>
    public DateOnly? Until { get; init; }
    /// <summary>In the catalogue of first contact (基层首诊病种目录): going up without an indication needs a reason.</summary>
    public bool FirstContact { get; init; }
    /// <summary>Diagnoses it speaks of: ranges by leading characters, e.g. <c>I10-I15</c>.</summary>
    public string[]? Codes { get; init; }
    public RuleCriterion[]? Criteria { get; init; }
    /// <summary>Where it comes from, e.g. the guideline's name.</summary>
    public string? Source { get; init; }

    public void Check(Checks checks)
    {
        checks.That(Version is null, "/version", "Given by the service.", "由系统生成。");
        checks.Text(NameZh, "/nameZh", 100);
        checks.Text(NameEn, "/nameEn", 100);
        checks.Text(Source, "/source", 200, required: false);
        checks.Required(Since, "/since");
        checks.Day(Since, "/since");
        checks.Day(Until, "/until");
        checks.That(Until is null || Until >= Since, "/until", "Not before since.", "不能早于生效日期。");
        Ranges(checks, Codes, "/codes", required: true);
        checks.That(Criteria is { Length: >= 1 and <= 100 }, "/criteria", "1 to 100.", "1 至 100 项。");
        for (var i = 0; i < Math.Min(100, Criteria?.Length ?? 0); i++)
        {
            var criterion = Criteria![i];
            if (criterion is null)
                checks.Required(criterion, $"/criteria/{i}");
            else
            {
                criterion.Check(checks, $"/criteria/{i}");
                checks.That(Criteria.Count(c => c?.Code == criterion.Code) == 1, $"/criteria/{i}/code", "Each code once.", "代码不得重复。");
            }
        }
    }

    internal static void Ranges(Checks checks, string[]? codes, string at, bool required)
    {
        if (required)
            checks.That(codes is { Length: >= 1 }, at, "At least one.", "至少一项。");
        checks.That(codes is not { Length: > 200 }, at, "At most 200.", "最多 200 项。");
        for (var i = 0; i < Math.Min(200, codes?.Length ?? 0); i++)
            checks.That(CodeRange.Parse(codes![i]) is not null, $"{at}/{i}", "A code or a range of codes, e.g. I10-I15.", "应为编码或编码范围，例如 I10-I15。");
    }

    internal static readonly RulePack Example = new()
    {
        NameZh = "急性上呼吸道感染", NameEn = "Acute upper respiratory infection", Since = new(2026, 1, 1), FirstContact = true,
        Codes = ["J00-J06"], Source = "样例，非官方指南",
        Criteria =
        [
            new()
            {
                Code = "URI_UP_DYSPNOEA", Direction = Direction.Up, TextZh = "气促、喉梗阻或血氧饱和度低于93%", TextEn = "Dyspnoea, laryngeal obstruction or SpO2 below 93 %",
                Measure = new("spo2", null, 93), Priority = Priority.Urgent, Levels = ["SecondaryHospital", "TertiaryHospital"], Department = "03.01", WithinDays = 1,
            },
        ],
    };
}

/// <summary>One indication. It is met when the doctor ticks it, or when diagnosis or measurement say so.</summary>
internal sealed record RuleCriterion
{
    /// <summary>Stable code, e.g. <c>HTN_UP_STROKE_SIGNS</c>: what a slip names in <c>indications</c>.</summary>
    public string? Code { get; init; }
    /// <summary>Up: a reason to refer; Down: a sign that the primary level can take over.</summary>
    public Direction? Direction { get; init; }
    public string? TextZh { get; init; }
    public string? TextEn { get; init; }
    /// <summary>Diagnoses that mean it by themselves.</summary>
    public string[]? Codes { get; init; }
    public MeasureBounds? Measure { get; init; }
    /// <summary>How soon, at least.</summary>
    public Priority? Priority { get; init; }
    /// <summary>Levels of institution that can receive it; any when absent.</summary>
    public string[]? Levels { get; init; }
    /// <summary>Department (诊疗科目) that usually takes it.</summary>
    public string? Department { get; init; }
    /// <summary>Days within which the patient should be on the way.</summary>
    public int? WithinDays { get; init; }

    public bool IsMet(string? diagnosis, IReadOnlyCollection<string> ticked, IReadOnlyDictionary<string, decimal> measured) =>
        ticked.Contains(Code!)
        || diagnosis is not null && Codes is not null && Array.Exists(Codes, c => CodeRange.Parse(c) is { } range && range.Contains(diagnosis))
        || Measure is { } bounds && measured.TryGetValue(bounds.Name!, out var value) && bounds.Holds(value);

    public void Check(Checks checks, string at)
    {
        checks.That(Code is { Length: >= 3 and <= 64 } && Code.All(c => c is >= 'A' and <= 'Z' or >= '0' and <= '9' or '_'), at + "/code",
            "3 to 64 of A-Z, 0-9 and _.", "3 至 64 位大写字母、数字或下划线。");
        checks.Required(Direction, at + "/direction");
        checks.Text(TextZh, at + "/textZh", 300);
        checks.Text(TextEn, at + "/textEn", 300);
        checks.Text(Department, at + "/department", 16, required: false);
        RulePack.Ranges(checks, Codes, at + "/codes", required: false);
        checks.That(WithinDays is null or (>= 0 and <= 365), at + "/withinDays", "0 to 365.", "应为 0 至 365。");
        checks.That(Levels is null || Levels.All(Alliances.AllianceSnapshot.IsLevel), at + "/levels", "Levels of institution, e.g. SecondaryHospital.", "应为机构级别，例如 SecondaryHospital。");
        if (Measure is null)
            return;
        checks.Text(Measure.Name, at + "/measure/name", 40);
        checks.That(Measure.AtLeast is not null || Measure.Below is not null, at + "/measure", "A lower or an upper bound.", "上限或下限至少填一项。");
    }
}

/// <param name="Name">What is measured, e.g. <c>systolic</c> (mmHg).</param>
/// <param name="AtLeast">The criterion holds from here.</param>
/// <param name="Below">The criterion holds below this.</param>
internal sealed record MeasureBounds(string? Name, decimal? AtLeast, decimal? Below)
{
    public bool Holds(decimal value) => (AtLeast is null || value >= AtLeast) && (Below is null || value < Below);
}
