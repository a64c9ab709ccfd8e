using System.Text.RegularExpressions;
using FluentAssertions;
using Xunit;

namespace Contracts.Tests;

/// <summary>
/// Statements name the columns they read. Prepared ones that say "all of them" fail at the moment when the next version
/// adds a column, while this one serves (PostgreSQL: cached plan must not change result type).
/// </summary>
public sealed partial class ColumnsTests
{
    public static TheoryData<string> Services => ["referral", "scheduling", "notification"];

    [Theory, MemberData(nameof(Services))]
    public void No_statement_reads_whatever_columns_a_table_has(string service)
    {
        var folder = Path.Combine(SourceTree.Root, "services", service);
        var tables = Directory.GetFiles(Path.Combine(folder, "Migrations")).SelectMany(f => Created().Matches(File.ReadAllText(f))).Select(m => m.Groups[1].Value).ToHashSet();
        tables.Should().NotBeEmpty();
        var stars = Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories).Where(f => !f.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(f => Stars().Matches(File.ReadAllText(f)).Where(m => tables.Contains(m.Groups["table"].Value)).Select(m => $"{Path.GetFileName(f)}: {m.Value}"));
        stars.Should().BeEmpty();
    }

    [GeneratedRegex(@"create table (?:if not exists )?(\w+)")]
    private static partial Regex Created();

    // select * from T, insert into T … returning *, and select t.* from T t
    [GeneratedRegex(@"(insert into|update) (?<table>\w+)[^;]*?returning \*|select \*\s+from (?<table>\w+)|\b(?<alias>\w+)\.\*[^;]*?\b(from|join) (?<table>\w+) \k<alias>\b", RegexOptions.Singleline)]
    private static partial Regex Stars();
}
