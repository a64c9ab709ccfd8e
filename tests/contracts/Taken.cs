using System.Text;
using System.Text.RegularExpressions;

namespace Contracts.Tests;

/// <summary>Finds the statements of a migration after which the version that still serves would fail.</summary>
internal static partial class Taken
{
    /// <summary>Those statements, one line each, but for the ones that say in a comment why nobody needs it any more.</summary>
    public static IReadOnlyList<string> From(string migration)
    {
        var found = new List<string>();
        var created = new HashSet<string>();
        foreach (var (comments, sql) in Statements(migration))
        {
            if (CreatesTable().Match(sql) is { Success: true } table)
                created.Add(table.Groups["table"].Value);
            if (Takes(sql, created) && !Excused().IsMatch(comments))
                found.Add(sql);
        }
        return found;
    }

    private static bool Takes(string sql, HashSet<string> created)
    {
        if (Gone().IsMatch(sql))
            return true;
        if (UniqueIndex().Match(sql) is { Success: true } index)
            return !created.Contains(index.Groups["table"].Value);
        return AltersTable().Match(sql) is { Success: true } alters && !created.Contains(alters.Groups["table"].Value)
            && Clauses(sql[alters.Length..]).Any(clause => Narrows().IsMatch(clause)
                || AddsColumn().IsMatch(clause) && clause.Contains("not null") && !clause.Contains("default") && !clause.Contains("generated"));
    }

    [GeneratedRegex(@"--\s*contract:")]
    private static partial Regex Excused();

    [GeneratedRegex(@"^create (unlogged |temporary )?table (if not exists )?(?<table>\S+)")]
    private static partial Regex CreatesTable();

    // index and constraint may go: nobody fails for want of them
    [GeneratedRegex(@"^(drop (?!index)|truncate|delete from|revoke|lock|alter (view|function|sequence|domain|schema|trigger)|alter type (?!.* add value))|^alter .* rename ")]
    private static partial Regex Gone();

    [GeneratedRegex(@"^create unique index .*?\bon (only )?(?<table>[^\s(]+)")]
    private static partial Regex UniqueIndex();

    [GeneratedRegex(@"^alter table (if exists )?(only )?(?<table>\S+) ")]
    private static partial Regex AltersTable();

    [GeneratedRegex(@"^(drop (?!constraint)|rename |add (constraint|check|unique|primary key|foreign key|exclude)|alter (column )?\S+ ((set data )?type|set not null|drop default))")]
    private static partial Regex Narrows();

    [GeneratedRegex(@"^add (column )?")]
    private static partial Regex AddsColumn();

    // at the commas that stand in no bracket
    private static IEnumerable<string> Clauses(string alterations)
    {
        var (depth, from) = (0, 0);
        for (var i = 0; i <= alterations.Length; i++)
            if (i == alterations.Length || alterations[i] == ',' && depth == 0)
            {
                yield return alterations[from..i].Trim();
                from = i + 1;
            }
            else
                depth += alterations[i] switch { '(' => 1, ')' => -1, _ => 0 };
    }

    // what stands in quotes says nothing here; a comment belongs to the statement below it
    private static IEnumerable<(string Comments, string Sql)> Statements(string migration)
    {
        var (comments, sql) = (new StringBuilder(), new StringBuilder());
        foreach (Match part in Parts().Matches(migration + ";"))
            if (part.Value == ";")
            {
                var statement = Spaces().Replace(sql.ToString(), " ").Trim().ToLowerInvariant();
                if (statement.Length > 0)
                    yield return (comments.ToString(), statement);
                comments.Clear();
                sql.Clear();
            }
            else if (part.Value.StartsWith("--", StringComparison.Ordinal))
                comments.Append(part.Value);
            else
                sql.Append(part.Value[0] is '\'' or '$' ? "''" : part.Value);
    }

    [GeneratedRegex(@"--[^\n]*|'(?:[^']|'')*'|\$(?<tag>\w*)\$.*?\$\k<tag>\$|;|\$|.", RegexOptions.Singleline)]
    private static partial Regex Parts();

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();
}
