using System.Text.RegularExpressions;
using FluentAssertions;
using Xunit;

namespace Contracts.Tests;

/// <summary>The table of promises names tests that are there.</summary>
public sealed partial class PromiseTableTests
{
    [Fact]
    public void Every_test_it_names_is_there()
    {
        var sources = Directory.GetFiles(Path.Combine(SourceTree.Root, "tests"), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal)).Select(File.ReadAllText).ToArray();
        var named = Named().Matches(File.ReadAllText(Path.Combine(SourceTree.Root, "services/referral/promises.md")));
        named.Should().HaveCountGreaterThan(40);
        foreach (Match name in named)
            sources.Should().Contain(s => s.Contains($"class {name.Groups["class"].Value}", StringComparison.Ordinal)
                && (!name.Groups["test"].Success || s.Contains($" {name.Groups["test"].Value}(", StringComparison.Ordinal)), "{0} is a test", name.Value);
    }

    [GeneratedRegex(@"`(?<class>\w+Tests)(\.(?<test>\w+))?`")]
    private static partial Regex Named();
}
