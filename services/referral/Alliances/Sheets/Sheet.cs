using System.Globalization;
using System.Reflection;
using System.Text.Json;
using Npgsql;
using NpgsqlTypes;
using ReferralService.Alliances.Import;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>
/// A line of the directory: the same record is the JSON body, the CSV line (columns have the names of its members) and
/// the row of its table.
/// </summary>
internal interface IEntry
{
    /// <summary>What can be judged without looking anything up; pointers are <c>/column</c>.</summary>
    void Check(Checks checks);
}

/// <summary>One table of the directory: its CSV file, its statements, and who may change it.</summary>
internal abstract class Sheet
{
    /// <summary>Name of the file without <c>.csv</c>.</summary>
    public abstract string Name { get; }
    public abstract IReadOnlyList<string> Columns { get; }
    /// <summary>Columns a file may leave out.</summary>
    public required IReadOnlyList<string> Optional { get; init; }
    /// <summary>Inserts the line, or changes what differs; with <c>@ReadVersion</c> only the version that was read.</summary>
    public required string Upsert { get; init; }
    /// <summary>Every row with its members, <c>key</c> and <c>version</c>.</summary>
    public required string Select { get; init; }
    /// <summary>Lines in the order they can be stored in.</summary>
    public Func<IReadOnlyList<IEntry>, IEnumerable<int>> Order { get; init; } = entries => Enumerable.Range(0, entries.Count);

    /// <summary>
    /// Stores all lines in one statement and says how many brought something new, for tables with tens of thousands; no
    /// two lines may have the same <see cref="KeyOf"/>.
    /// </summary>
    public Func<NpgsqlConnection, IReadOnlyList<IEntry>, Task<int>>? Bulk { get; init; }

    /// <summary>What makes two lines of a <see cref="Bulk"/> file the same.</summary>
    public Func<IEntry, object> KeyOf { get; init; } = entry => entry;

    /// <summary>May the office of an alliance load it from a file? An operator always may.</summary>
    public bool OfficesLoad { get; init; }

    public abstract IEntry Read(CsvLine line, Checks checks);
    public abstract bool Allows(IEntry entry, Caller caller, AllianceSnapshot alliance, DateOnly day);
    public abstract IEnumerable<string> Write(object entry);
    public abstract IEnumerable<NpgsqlParameter> Parameters(IEntry entry, long? readVersion, Caller? by);
    public abstract Task<IReadOnlyList<object>> All(NpgsqlConnection connection);
}

/// <summary>The table of one kind of entry.</summary>
internal sealed class Sheet<T>(string name) : Sheet where T : class, IEntry, new()
{
    // the order of the members is the order of the columns
    private static readonly PropertyInfo[] Members = [.. typeof(T).GetProperties().Where(p => p.CanWrite)];
    private static readonly string[] Names = [.. Members.Select(m => JsonNamingPolicy.CamelCase.ConvertName(m.Name))];

    public override string Name => name;
    public override IReadOnlyList<string> Columns => Names;

    /// <summary>May this caller write this entry? An operator always may.</summary>
    public required Func<T, Caller, AllianceSnapshot, DateOnly, bool> MayWrite { get; init; }

    /// <summary>Parameters beside the members, e.g. a hash of one of them.</summary>
    public Func<T, Caller?, IEnumerable<(string Name, object? Value)>> More { get; init; } = (_, _) => [];

    public override IEntry Read(CsvLine line, Checks checks)
    {
        var entry = new T();
        for (var i = 0; i < Members.Length; i++)
        {
            if (!line.Has(Names[i]) || line[Names[i]] is not { } text)
                continue;
            var (value, readable) = Parse(text, Members[i].PropertyType);
            if (readable)
                Members[i].SetValue(entry, value);
            else
                checks.Add("/" + Names[i], Expected(Members[i].PropertyType).En, Expected(Members[i].PropertyType).Zh);
        }
        return entry;
    }

    public override IEnumerable<string> Write(object entry) => Members.Select(m => m.GetValue(entry) switch
    {
        null => "",
        string text => text,
        string[] texts => string.Join('|', texts),
        bool yes => yes ? "true" : "false",
        DateOnly day => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
        IFormattable value => value.ToString(null, CultureInfo.InvariantCulture),
        var other => other.ToString()!,
    });

    public override IEnumerable<NpgsqlParameter> Parameters(IEntry entry, long? readVersion, Caller? by)
    {
        foreach (var member in Members)
            yield return Parameter(member.Name, member.PropertyType, member.GetValue(entry));
        foreach (var (more, value) in More((T)entry, by))
            yield return Parameter(more, value?.GetType() ?? typeof(string), value);
        yield return Parameter("ReadVersion", typeof(long), readVersion);
    }

    public override bool Allows(IEntry entry, Caller caller, AllianceSnapshot alliance, DateOnly day) =>
        caller.Role == Role.Operator || MayWrite((T)entry, caller, alliance, day);

    public override async Task<IReadOnlyList<object>> All(NpgsqlConnection connection) =>
        [.. await Dapper.SqlMapper.QueryAsync<T>(connection, Select + " order by key")];

    private static (object? Value, bool Readable) Parse(string text, Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        if (inner == typeof(string))
            return (text, true);
        if (inner == typeof(string[]))
            return (text.Split('|', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), true);
        if (inner == typeof(bool))
            return (text == "true", text is "true" or "false");
        if (inner == typeof(double))
            return double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number) ? (number, true) : (null, false);
        if (inner == typeof(DateOnly))
            return DateOnly.TryParseExact(text, "yyyy-MM-dd", out var day) ? (day, true) : (null, false);
        return Enum.TryParse(inner, text, out var named) && named!.ToString() == text ? (named, true) : (null, false);
    }

    private static Text Expected(Type type)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        return inner == typeof(bool) ? new("true or false.", "应为 true 或 false。")
            : inner == typeof(double) ? new("A number.", "应为数字。")
            : inner == typeof(DateOnly) ? new("A day such as 2026-01-31.", "日期格式如 2026-01-31。")
            : new($"One of {string.Join(", ", Enum.GetNames(inner))}.", $"应为 {string.Join("、", Enum.GetNames(inner))} 之一。");
    }

    private static NpgsqlParameter Parameter(string name, Type type, object? value)
    {
        var inner = Nullable.GetUnderlyingType(type) ?? type;
        var kind = inner == typeof(string[]) ? NpgsqlDbType.Array | NpgsqlDbType.Text
            : inner == typeof(bool) ? NpgsqlDbType.Boolean
            : inner == typeof(double) ? NpgsqlDbType.Double
            : inner == typeof(DateOnly) ? NpgsqlDbType.Date
            : inner == typeof(long) ? NpgsqlDbType.Bigint
            : inner == typeof(byte[]) ? NpgsqlDbType.Bytea
            : NpgsqlDbType.Text;
        return new(name, kind) { Value = (value is Enum ? value.ToString() : value) ?? DBNull.Value };
    }
}

/// <summary>Rules that several tables share.</summary>
internal static class Fields
{
    /// <summary>Unified social credit code with its check character (GB 32100).</summary>
    public static void Institution(this Checks checks, string? code, string pointer, bool required = true)
    {
        if (code is null)
        {
            if (required)
                checks.Required(code, pointer);
        }
        else if (!Patients.CheckDigits.InstitutionCode(code))
            checks.Add(pointer, "Not a unified social credit code: 18 characters, and the last one must fit (GB 32100).", "不是有效的统一社会信用代码：应为 18 位且校验码正确（GB 32100）。");
    }

    public static void Period(this Checks checks, DateOnly? from, DateOnly? until, bool required = true)
    {
        if (required)
            checks.Required(from, "/from");
        Workflow.Times.Day(checks, from, "/from");
        Workflow.Times.Day(checks, until, "/until");
        checks.That(until is null || from is null || until >= from, "/until", "Not before it began.", "不能早于开始日期。");
    }

    public static void Id(this Checks checks, string? id, string pointer, bool required = true)
    {
        if (required)
            checks.Required(id, pointer);
        checks.That(id is null || id.Length is > 0 and <= 40 && id.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'), pointer,
            "1 to 40 letters, digits, hyphens, dots.", "1 至 40 个字母、数字、连字符或点。");
    }

    /// <summary>国家诊疗科目名录: two digits, two more after a dot for a speciality. There is no 29.</summary>
    public static void Department(this Checks checks, string? code, string pointer, bool required = true)
    {
        if (required)
            checks.Required(code, pointer);
        checks.That(code is null || IsDepartment(code), pointer, "Not a code of the list of clinical departments, e.g. 03.03.", "不是诊疗科目代码，例如 03.03。");
    }

    private static bool IsDepartment(string code) =>
        code.Length is 2 or 5 && char.IsAsciiDigit(code[0]) && char.IsAsciiDigit(code[1])
        && int.Parse(code[..2]) is (>= 1 and <= 32 and not 29) or (>= 50 and <= 52)
        && (code.Length == 2 || code[2] == '.' && char.IsAsciiDigit(code[3]) && char.IsAsciiDigit(code[4]));
}
