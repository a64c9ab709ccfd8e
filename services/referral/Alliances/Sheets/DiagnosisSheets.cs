using ReferralService.Rules;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>A range of diagnoses that belongs to a named set, e.g. <c>Sensitive</c> or <c>RehabJointWard</c>, on certain days.</summary>
internal sealed record DiagnosisSetEntry : IEntry
{
    public string? Name { get; init; }
    /// <summary>A code or a range of leading characters, e.g. <c>A00-B99</c>.</summary>
    public string? Codes { get; init; }
    /// <summary>The first day on which it belongs to the set.</summary>
    public DateOnly? From { get; init; }
    /// <summary>The last day; open when absent. An entry is withdrawn by naming it.</summary>
    public DateOnly? Until { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Name, "/name");
        checks.Range(Codes);
        checks.Period(From, Until);
    }

    public static readonly Sheet<DiagnosisSetEntry> Sheet = new("diagnosis-sets")
    {
        Optional = ["until"],
        // what is masked, and who may use a ward, is the same for every alliance: the operator keeps it
        MayWrite = (_, _, _, _) => false,
        Upsert = """
            insert into diagnosis_set as row (name, codes, since, until) values (@Name, @Codes, @From, @Until)
            on conflict (name, codes, since) do update set (until, version) = (excluded.until, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion) and row.until is distinct from excluded.until
            """,
        Select = """
            select name || '/' || codes || '/' || since as key, version, name, codes, since as "from", until from diagnosis_set
            """,
    };
}

/// <summary>A department (诊疗科目) that usually treats a range of diagnoses; the narrowest range wins.</summary>
internal sealed record SpecialtyEntry : IEntry
{
    /// <summary>A code or a range of leading characters, e.g. <c>I60-I69</c>.</summary>
    public string? Codes { get; init; }
    public string? Department { get; init; }
    /// <summary>The first day on which it holds.</summary>
    public DateOnly? From { get; init; }
    /// <summary>The last day; open when absent. An entry is withdrawn by naming it.</summary>
    public DateOnly? Until { get; init; }

    public void Check(Checks checks)
    {
        checks.Range(Codes);
        checks.Department(Department, "/department");
        checks.Period(From, Until);
    }

    public static readonly Sheet<SpecialtyEntry> Sheet = new("specialties")
    {
        Optional = ["until"],
        MayWrite = (_, _, _, _) => false,
        Upsert = """
            insert into specialty as row (codes, department, since, until) values (@Codes, @Department, @From, @Until)
            on conflict (codes, department, since) do update set (until, version) = (excluded.until, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion) and row.until is distinct from excluded.until
            """,
        Select = """
            select codes || '/' || department || '/' || since as key, version, codes, department, since as "from", until from specialty
            """,
    };
}

internal static class RangeFields
{
    public static void Range(this Checks checks, string? codes)
    {
        checks.Required(codes, "/codes");
        checks.That(codes is null || CodeRange.Parse(codes) is not null, "/codes", "A code or a range of codes, e.g. I10-I15.", "应为编码或编码范围，例如 I10-I15。");
    }
}
