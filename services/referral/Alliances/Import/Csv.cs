using System.Text;

namespace ReferralService.Alliances.Import;

/// <summary>Comma separated values, RFC 4180, with a header row.</summary>
internal static class Csv
{
    /// <summary>The lines below the header; a line with too many or too few fields is handed on and says so.</summary>
    public static IEnumerable<CsvLine> Read(string text)
    {
        string[]? header = null;
        foreach (var (number, fields) in Records(text))
            if (header is null)
                header = fields;
            else if (fields is not [""])
                yield return new(number, header, fields);
    }

    /// <summary>The names in the first line.</summary>
    public static string[] Header(string text) => Records(text).FirstOrDefault().Fields ?? [];

    public static string Line(IEnumerable<string> fields) => string.Join(',', fields.Select(field =>
        field.AsSpan().IndexOfAny(",\"\r\n") < 0 ? field : $"\"{field.Replace("\"", "\"\"")}\"")) + "\n";

    private static IEnumerable<(int Line, string[] Fields)> Records(string text)
    {
        var fields = new List<string>();
        var field = new StringBuilder();
        var quoted = false;
        int line = 1, began = 1;
        for (var i = text.StartsWith('\uFEFF') ? 1 : 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\n')
                line++;
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
                yield return (began, [.. fields]);
                fields.Clear();
                began = line;
            }
            else if (c != '\r')
                field.Append(c);
        }
        if (field.Length > 0 || fields.Count > 0)
        {
            Next();
            yield return (began, [.. fields]);
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
    /// <summary>Where it begins in the file; the header is line 1.</summary>
    public int LineNo => lineNo;

    /// <summary>False when it has more or fewer fields than the header.</summary>
    public bool Fits => fields.Length == header.Length;

    public bool Has(string name) => Array.IndexOf(header, name) >= 0;

    /// <summary>The field; null when it is empty.</summary>
    public string? this[string name]
    {
        get
        {
            var i = Array.IndexOf(header, name);
            if (i < 0)
                throw new KeyNotFoundException($"there is no column {name}");
            return i >= fields.Length || fields[i].Length == 0 ? null : fields[i];
        }
    }
}
