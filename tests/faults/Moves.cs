namespace Faults;

/// <summary>The table of moves that the referral service publishes: what a history may consist of.</summary>
internal static class Moves
{
    private static readonly HashSet<(string? From, string Verb, string To)> Allowed = [.. Read()];

    public static bool Allow(string? from, string verb, string to) => Allowed.Contains((from, verb, to));

    // lines like: | Submitted | claim | InTriage | receiver |
    private static IEnumerable<(string?, string, string)> Read()
    {
        var lines = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "lifecycle.md")).SkipWhile(l => l != "## Every move").ToArray();
        if (lines.Length == 0)
            throw new InvalidOperationException("lifecycle.md has no section 'Every move'.");
        foreach (var cells in lines.Skip(1).TakeWhile(l => !l.StartsWith('#')).Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Skip(1)
            .Select(l => l.Split('|', StringSplitOptions.TrimEntries)).Where(c => c.Length > 4))
            foreach (var to in cells[3].Split(", "))
                yield return (cells[1] == "(new)" ? null : cells[1], cells[2], to);
    }
}
