using System.Text.RegularExpressions;

namespace ReferralService.Rules;

/// <summary>
/// Diagnosis codes by their leading characters: <c>E11</c>, <c>I10-I15</c>, <c>S14.0-S14.1</c>. A code and a bound are
/// compared as far as both go, so national codes (<c>I10.x00x032</c>) and groups lie where one expects them.
/// </summary>
internal readonly partial record struct CodeRange(string First, string Last)
{
    /// <summary>Null for what is no range, or one whose end comes before its beginning.</summary>
    public static CodeRange? Parse(string? text)
    {
        if (text is null || !Form().IsMatch(text))
            return null;
        var parts = text.Split('-');
        var range = new CodeRange(parts[0], parts[^1]);
        return Compare(range.First, range.Last) <= 0 ? range : null;
    }

    public bool Contains(string code) => Compare(code, First) >= 0 && Compare(code, Last) <= 0;

    /// <summary>How much the range says: longer bounds are narrower, and of equally long ones the single code.</summary>
    public int Exactness => First.Length * 2 + (First == Last ? 1 : 0);

    private static int Compare(string code, string bound) =>
        string.Compare(code, 0, bound, 0, Math.Min(code.Length, bound.Length), StringComparison.OrdinalIgnoreCase);

    public override string ToString() => First == Last ? First : $"{First}-{Last}";

    [GeneratedRegex("^[A-Z0-9][A-Z0-9.+*]{0,15}(-[A-Z0-9][A-Z0-9.+*]{0,15})?$")]
    private static partial Regex Form();
}
