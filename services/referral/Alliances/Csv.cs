using System.Globalization;
using System.Text;

namespace ReferralService.Alliances;

/// <summary>Comma separated values, RFC 4180, with a header row.</summary>
internal static class Csv
{
    public static IEnumerable<CsvLine> Read(string text)
    {
        string[]? header = null;
        var number = 0;
        foreach (var fields in Records(text))
        {
            number++;
            if (header is null)
            {
                header = fields;
                continue;
            }
            if (fields.Length != header.Length)
                throw new FormatException($"line {number} has {fields.Length} fields, the header {header.Length}");
            yield return new(number, header, fields);
        }
    }

    private static IEnumerable<string[]> Records(string text)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        var quoted = false;
        for (var i = text.StartsWith('\uFEFF') ? 1 : 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quoted)
            {
                if (c != '"')
                    field.Append(c);
                else if (i + 1 < text.Length && text[i + 1] == '"')
                    field.Append(text[i++]);
                else
                    quoted = false;
            }
            else if (c == '"')
                quoted = true;
            else if (c == ',')
                Next();
            else if (c == '\n')
            {
                Next();
                yield return [.. fields];
                fields.Clear();
            }
            else if (c != '\r')
                field.Append(c);
        }
        if (field.Length > 0 || fields.Count > 0)
        {
            Next();
            yield return [.. fields];
        }

        void Next()
        {
            fields.Add(field.ToString());
            field.Clear();
        }
    }
}

/// <summary>One line of a CSV file by the names of its header.</summary>
internal sealed class CsvLine(int lineNo, string[] header, string[] fields)
{
    public int LineNo => lineNo;

    /// <summary>The field; null when it is empty.</summary>
    public string? this[string name]
    {
        get
        {
            var i = Array.IndexOf(header, name);
            if (i < 0)
                throw new KeyNotFoundException($"there is no column {name}");
            return fields[i].Length == 0 ? null : fields[i];
        }
    }

    public string? Unless(string name, string meaningNone) => this[name] == meaningNone ? null : this[name];

    public double? Number(string name) => this[name] is { } text ? double.Parse(text, CultureInfo.InvariantCulture) : null;

    public DateOnly? Day(string name) => this[name] is { } text ? DateOnly.ParseExact(text, "yyyy-MM-dd") : null;
}
