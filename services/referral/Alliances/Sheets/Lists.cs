using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>Who may give a reason.</summary>
internal enum ReasonSide { Sender, Receiver, Either }

/// <summary>A reason of one of the lists (原因代码).</summary>
internal sealed record ReasonCodeEntry : IEntry
{
    public string? Code { get; init; }
    public string? List { get; init; }
    public ReasonSide? Side { get; init; }
    /// <summary>True when a sentence must follow.</summary>
    public bool? TextRequired { get; init; }
    public string? NameZh { get; init; }
    public string? NameEn { get; init; }
    /// <summary>Roles that may use it; every role of the side when absent.</summary>
    public string[]? Roles { get; init; }
    public DateOnly? From { get; init; }
    /// <summary>The last day; open when absent.</summary>
    public DateOnly? Until { get; init; }

    public void Check(Checks checks)
    {
        checks.That(Code is { Length: > 0 and <= 64 } && Code.All(c => char.IsAsciiLetterUpper(c) || char.IsAsciiDigit(c) || c == '_'), "/code",
            "Upper-case letters, digits and underscores.", "应为大写字母、数字与下划线。");
        checks.Id(List, "/list");
        checks.Required(Side, "/side");
        checks.Required(TextRequired, "/textRequired");
        checks.Text(NameZh, "/nameZh", 100);
        checks.Text(NameEn, "/nameEn", 100);
        checks.That(Roles is null || Roles.All(r => Enum.TryParse<Role>(r, out var role) && role.ToString() == r), "/roles",
            $"Roles are {string.Join(", ", Enum.GetNames<Role>())}.", $"角色为 {string.Join("、", Enum.GetNames<Role>())}。");
        checks.Period(From, Until, required: false);
    }

    public static readonly Sheet<ReasonCodeEntry> Sheet = new("reason-codes")
    {
        Optional = ["roles", "from", "until"],
        // the lists are the same for every alliance: the operator keeps them
        MayWrite = (_, _, _, _) => false,
        Upsert = """
            insert into reason_code as row (list, code, side, text_required, name_zh, name_en, roles, since, until)
            values (@List, @Code, @Side, @TextRequired, @NameZh, @NameEn, nullif(@Roles, '{}'), coalesce(@From, '2000-01-01'), @Until)
            on conflict (list, code) do update set (side, text_required, name_zh, name_en, roles, since, until, version)
                = (excluded.side, excluded.text_required, excluded.name_zh, excluded.name_en, excluded.roles, excluded.since, excluded.until, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.side, row.text_required, row.name_zh, row.name_en, row.roles, row.since, row.until)
                      is distinct from (excluded.side, excluded.text_required, excluded.name_zh, excluded.name_en, excluded.roles, excluded.since, excluded.until)
            """,
        Select = """
            select list || '/' || code as key, version, code, list, side, text_required, name_zh, name_en, roles, since as "from", until
            from reason_code
            """,
    };
}

/// <summary>A grid of residence (网格化布局): who is responsible for those who live there.</summary>
internal sealed record GridEntry : IEntry
{
    public string? Code { get; init; }
    public string? Name { get; init; }
    public string? Region { get; init; }
    /// <summary>The responsible alliance.</summary>
    public string? Alliance { get; init; }
    /// <summary>The responsible primary institution: where residents without a contract are received.</summary>
    public string? Institution { get; init; }
    /// <summary>Where they are referred up to, unless something speaks for another target.</summary>
    public string? Target { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Code, "/code");
        checks.Text(Name, "/name", 100);
        checks.That(Region is { Length: 6 } && Region.All(char.IsAsciiDigit), "/region", "Six digits (GB/T 2260).", "应为 6 位行政区划代码（GB/T 2260）。");
        checks.Id(Alliance, "/alliance", required: false);
        checks.Institution(Institution, "/institution", required: false);
        checks.Institution(Target, "/target", required: false);
    }

    public static readonly Sheet<GridEntry> Sheet = new("grids")
    {
        Optional = ["alliance", "institution", "target"],
        MayWrite = (entry, caller, alliance, _) => caller.Role == Role.AllianceOffice && entry.Alliance is not null
            && alliance.LeadOf(entry.Alliance) == caller.Institution
            && (alliance.Grid(entry.Code!)?.Alliance is not { } responsible || alliance.LeadOf(responsible) == caller.Institution),
        Upsert = """
            insert into grid as row (code, name, region, alliance, institution, target) values (@Code, @Name, @Region, @Alliance, @Institution, @Target)
            on conflict (code) do update set (name, region, alliance, institution, target, version)
                = (excluded.name, excluded.region, excluded.alliance, excluded.institution, excluded.target, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.name, row.region, row.alliance, row.institution, row.target)
                      is distinct from (excluded.name, excluded.region, excluded.alliance, excluded.institution, excluded.target)
            """,
        Select = "select code as key, version, code, name, region, alliance, institution, target from grid",
    };
}

/// <summary>A coded diagnosis. Any coding system is taken as it is.</summary>
internal sealed record DiagnosisEntry : IEntry
{
    public string? System { get; init; }
    public string? Version { get; init; }
    public string? Code { get; init; }
    public string? TextZh { get; init; }
    /// <summary>The first three characters of the code when absent.</summary>
    public string? Group { get; init; }
    /// <summary>Beside the set of sensitive diagnoses, which holds whatever a list says.</summary>
    public bool? Sensitive { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(System, "/system", 200);
        checks.Text(Version, "/version", 40);
        checks.Text(Code, "/code", 64);
        checks.Text(TextZh, "/textZh", 200);
        checks.That(Code is null || Code.Length >= 3, "/code", "At least three characters.", "至少 3 个字符。");
        checks.Text(Group, "/group", 16, required: false);
    }

    public static readonly Sheet<DiagnosisEntry> Sheet = new("diagnoses")
    {
        Optional = ["group", "sensitive"],
        MayWrite = (_, _, _, _) => false,
        Bulk = Store,
        KeyOf = entry => ((DiagnosisEntry)entry) is var d ? (d.System, d.Version, d.Code) : default,
        Upsert = """
            insert into diagnosis as row (system, version, code, text_zh, diagnosis_group, sensitive) values (@System, @Version, @Code, @TextZh, @Group, @Sensitive)
            on conflict (system, version, code) do update set (text_zh, diagnosis_group, sensitive) = (excluded.text_zh, excluded.diagnosis_group, excluded.sensitive)
                where (row.text_zh, row.diagnosis_group, row.sensitive) is distinct from (excluded.text_zh, excluded.diagnosis_group, excluded.sensitive)
                  and @ReadVersion is null
            """,
        Select = """
            select system || '/' || version || '/' || code as key, system, version, code, text_zh, diagnosis_group as "group", sensitive from diagnosis
            """,
    };

    // the national list has 35 863 lines: one statement, not as many
    private static async Task<int> Store(NpgsqlConnection connection, IReadOnlyList<IEntry> entries)
    {
        var lines = entries.Cast<DiagnosisEntry>().ToArray();
        await using var command = new NpgsqlCommand("""
            insert into diagnosis as row (system, version, code, text_zh, diagnosis_group, sensitive)
            select * from unnest($1, $2, $3, $4, $5, $6)
            on conflict (system, version, code) do update set (text_zh, diagnosis_group, sensitive) = (excluded.text_zh, excluded.diagnosis_group, excluded.sensitive)
                where (row.text_zh, row.diagnosis_group, row.sensitive) is distinct from (excluded.text_zh, excluded.diagnosis_group, excluded.sensitive)
            """, connection);
        command.Parameters.Add(new() { Value = Array.ConvertAll(lines, l => l.System!) });
        command.Parameters.Add(new() { Value = Array.ConvertAll(lines, l => l.Version!) });
        command.Parameters.Add(new() { Value = Array.ConvertAll(lines, l => l.Code!) });
        command.Parameters.Add(new() { Value = Array.ConvertAll(lines, l => l.TextZh!) });
        command.Parameters.Add(new() { Value = Array.ConvertAll(lines, l => (l.Group ?? l.Code![..3]).ToUpperInvariant()) });
        command.Parameters.Add(new() { Value = Array.ConvertAll(lines, l => l.Sensitive ?? false) });
        return await command.ExecuteNonQueryAsync();
    }
}

/// <summary>Whom an alliance's office may speak for.</summary>
internal static class Offices
{
    public static bool Serves(Caller office, string institution, AllianceSnapshot alliance, DateOnly day) =>
        office.Institution == institution || alliance.ShareAnAlliance(office.Institution, institution, day);
}
