using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Xunit;

namespace Contracts.Tests;

/// <summary>Generated files that are checked in.</summary>
public sealed class SourceTree
{
    private const string Mend = "REFERRAL_ACCEPT=1 tests/run contracts";

    private static readonly JsonSerializerOptions Written = new()
    {
        WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static readonly string Root = Path.GetFullPath(Path.Combine(Here(), "../.."));
    public static readonly string Contracts = Path.Combine(Root, "contracts");
    public static readonly string Golden = Path.Combine(Root, "tests/contracts/golden");
    public static readonly string Npm = Path.Combine(Root, "tests/contracts/npm");

    // every test of the collection reads files that were written before the first one ran
    public SourceTree()
    {
        if (Environment.GetEnvironmentVariable("REFERRAL_ACCEPT") != "1")
            return;
        foreach (var part in Generated.All)
            Accept(part);
    }

    internal static void IsFresh(GeneratedFiles part)
    {
        var found = Found(part);
        var stale = part.Files.Where(f => found.GetValueOrDefault(f.Key) != f.Value).Select(f => f.Key)
            .Concat(found.Keys.Except(part.Files.Keys)).Order(StringComparer.Ordinal).ToList();
        stale.Should().BeEmpty("{0} follow from contracts/*.cs; after a look at the difference write them anew with: {1}", part.What, Mend);
    }

    internal static string Text(JsonNode node) => node.ToJsonString(Written) + "\n";

    private static void Accept(GeneratedFiles part)
    {
        Directory.CreateDirectory(part.Folder);
        foreach (var (name, text) in part.Files)
            File.WriteAllText(Path.Combine(part.Folder, name), text);
        foreach (var leftOver in Found(part).Keys.Except(part.Files.Keys))
            File.Delete(Path.Combine(part.Folder, leftOver));
    }

    // in a folder of nothing but generated files a left-over one is as wrong as a missing one
    private static Dictionary<string, string> Found(GeneratedFiles part)
    {
        var names = part.WholeFolder
            ? Directory.Exists(part.Folder) ? Directory.GetFiles(part.Folder).Select(f => Path.GetFileName(f)) : []
            : part.Files.Keys.Where(name => File.Exists(Path.Combine(part.Folder, name)));
        return names.ToDictionary(name => name, name => File.ReadAllText(Path.Combine(part.Folder, name)));
    }

    private static string Here([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}

[CollectionDefinition("contracts")]
public sealed class ContractsCollection : ICollectionFixture<SourceTree>;

/// <param name="WholeFolder">True when nothing else may lie in the folder.</param>
internal sealed record GeneratedFiles(string What, string Folder, bool WholeFolder, IReadOnlyDictionary<string, string> Files);

internal static class Generated
{
    public static GeneratedFiles Schemas => new("the schemas in contracts/schemas", Path.Combine(SourceTree.Contracts, "schemas"), true,
        Catalogue.All.ToDictionary(e => e.Name + ".json", e => SourceTree.Text(Tests.Schemas.Of(e))));

    public static GeneratedFiles AsyncApi => new("the document contracts/asyncapi.yaml", SourceTree.Contracts, false,
        new Dictionary<string, string> { ["asyncapi.yaml"] = Tests.AsyncApi.Document() });

    public static GeneratedFiles Table => new("the tables in contracts/README.md", SourceTree.Contracts, false,
        new Dictionary<string, string> { ["README.md"] = EventTable.In(File.ReadAllText(Path.Combine(SourceTree.Contracts, "README.md"))) });

    public static GeneratedFiles Golden => new("the golden files in tests/contracts/golden", SourceTree.Golden, true,
        Catalogue.All.ToDictionary(e => e.Name + ".json", e => SourceTree.Text(JsonNode.Parse(Examples.Of(e))!)));

    public static GeneratedFiles Accepted => new("the promises in tests/contracts/accepted.txt", Path.Combine(SourceTree.Root, "tests/contracts"), false,
        new Dictionary<string, string> { ["accepted.txt"] = PromisedTests.Accepted.And(PromisedTests.Now).ToString() });

    public static IEnumerable<GeneratedFiles> All => [Schemas, AsyncApi, Table, Golden, Accepted];
}
