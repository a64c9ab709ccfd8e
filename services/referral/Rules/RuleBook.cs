namespace ReferralService.Rules;

/// <summary>Every published pack, the sets of diagnoses and the departments that treat them: immutable, part of the alliance's snapshot.</summary>
internal sealed class RuleBook(IEnumerable<RulePack> packs, IEnumerable<DiagnosisSet> sets, IEnumerable<Specialty> specialties)
{
    public static readonly RuleBook Empty = new([], [], []);

    /// <summary>Even a colleague sees these illnesses only with a reason.</summary>
    public const string Sensitive = "Sensitive";

    private readonly ILookup<string, (RulePack Pack, CodeRange[] Ranges)> _packs = packs.ToLookup(
        p => p.Id!, p => (p, p.Codes!.Select(c => CodeRange.Parse(c)).OfType<CodeRange>().ToArray()));
    private readonly ILookup<string, (CodeRange Range, DateOnly Since, DateOnly? Until)> _sets =
        sets.Where(s => CodeRange.Parse(s.Codes) is not null).ToLookup(s => s.Name, s => (CodeRange.Parse(s.Codes)!.Value, s.Since, s.Until));
    private readonly (CodeRange Range, Specialty Of)[] _specialties =
        [.. specialties.Where(s => CodeRange.Parse(s.Codes) is not null).Select(s => (CodeRange.Parse(s.Codes)!.Value, s))];

    /// <summary>Every version of every pack.</summary>
    public IEnumerable<RulePack> All => _packs.SelectMany(versions => versions).Select(p => p.Pack);

    /// <summary>Packs in force on a day, one version of each, by name.</summary>
    public IEnumerable<RulePack> On(DateOnly day) =>
        InForce(day).Select(p => p.Pack);

    public RulePack? Find(string id, DateOnly day) => Newest(_packs[id], day)?.Pack;

    public IEnumerable<RulePack> Covering(string diagnosis, DateOnly day) =>
        InForce(day).Where(p => Array.Exists(p.Ranges, r => r.Contains(diagnosis))).Select(p => p.Pack);

    /// <summary>True for a diagnosis of the set; one that is less exact than the set's ranges counts as in it.</summary>
    public bool InSet(string set, string? diagnosis, DateOnly day) =>
        diagnosis is not null && RangesOf(set, day).Any(range => range.Contains(diagnosis));

    public IEnumerable<CodeRange> RangesOf(string set, DateOnly day) =>
        _sets[set].Where(s => s.Since <= day && (s.Until is null || s.Until >= day)).Select(s => s.Range);

    /// <summary>Departments that usually treat a diagnosis: those of the narrowest range that knows it.</summary>
    public IReadOnlyList<string> DepartmentsFor(string diagnosis, DateOnly day)
    {
        var known = _specialties.Where(s => s.Of.Since <= day && (s.Of.Until is null || s.Of.Until >= day) && s.Range.Contains(diagnosis)).ToArray();
        if (known.Length == 0)
            return [];
        var narrowest = known.MinBy(s => (Width(s.Range), -s.Range.Exactness)).Range;
        return [.. known.Where(s => s.Range == narrowest).Select(s => s.Of.Department).Distinct().Order(StringComparer.Ordinal)];
    }

    // letters and the two digits after them, as a number: A15-A19 is narrower than A00-B99
    private static int Width(CodeRange range) => Number(range.Last) - Number(range.First);

    private static int Number(string code) =>
        code.Length >= 3 && char.IsAsciiDigit(code[1]) && char.IsAsciiDigit(code[2]) ? code[0] * 100 + (code[1] - '0') * 10 + (code[2] - '0') : code[0] * 100;

    private IEnumerable<(RulePack Pack, CodeRange[] Ranges)> InForce(DateOnly day) =>
        _packs.Select(versions => Newest(versions, day)).OfType<(RulePack Pack, CodeRange[] Ranges)>().OrderBy(p => p.Pack.Id, StringComparer.Ordinal);

    // the version that began last holds; where it has ended, none does
    private static (RulePack Pack, CodeRange[] Ranges)? Newest(IEnumerable<(RulePack Pack, CodeRange[] Ranges)> versions, DateOnly day)
    {
        (RulePack Pack, CodeRange[] Ranges)? newest = null;
        foreach (var version in versions)
            if (version.Pack.Since <= day && (newest is null || version.Pack.Since > newest.Value.Pack.Since))
                newest = version;
        return newest is { Pack.Until: { } until } && until < day ? null : newest;
    }
}

/// <summary>A range of a named set of diagnoses, with the days on which it belongs to it.</summary>
internal sealed record DiagnosisSet(string Name, string Codes, DateOnly Since, DateOnly? Until);

/// <summary>A department that usually treats a range of diagnoses.</summary>
internal sealed record Specialty(string Codes, string Department, DateOnly Since, DateOnly? Until);
