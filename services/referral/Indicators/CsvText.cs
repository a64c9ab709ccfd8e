using System.Globalization;
using System.Text;

namespace ReferralService.Indicators;

/// <summary>Reports as comma separated values, RFC 4180, UTF-8 with a byte order mark: spreadsheets open Chinese names right.</summary>
internal static class CsvText
{
    /// <summary>True for CSV, false for JSON, null for what nobody can give.</summary>
    public static bool? Wanted(HttpRequest request, string? format) => format switch
    {
        "csv" => true,
        "json" => false,
        null => request.GetTypedHeaders().Accept.Any(a => a.MediaType.Equals("text/csv", StringComparison.OrdinalIgnoreCase)),
        _ => null,
    };

    public static IResult Answer(string name, IEnumerable<object?[]> lines) =>
        TypedResults.File([.. Encoding.UTF8.GetPreamble(), .. Encoding.UTF8.GetBytes(Write(lines))], "text/csv; charset=utf-8", name);

    public static string Write(IEnumerable<object?[]> lines)
    {
        var text = new StringBuilder();
        foreach (var line in lines)
            text.AppendJoin(',', line.Select(Field)).Append("\r\n");
        return text.ToString();
    }

    private static string Field(object? value)
    {
        var text = value switch
        {
            null => "",
            DateOnly day => day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            DateTimeOffset time => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture),
            bool holds => holds ? "true" : "false",
            IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
            _ => value.ToString()!,
        };
        // a spreadsheet takes these for formulas
        if (value is string && text.Length > 0 && text[0] is '=' or '+' or '-' or '@' or '\t')
            text = "'" + text;
        return text.AsSpan().IndexOfAny("\",\r\n") < 0 ? text : $"\"{text.Replace("\"", "\"\"")}\"";
    }
}
