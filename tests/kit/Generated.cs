using System.Runtime.CompilerServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;

namespace TestKit;

/// <summary>Files that are generated, checked in and held fresh by a test.</summary>
public static class Generated
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>A file of the source tree, by its path from the root.</summary>
    public static string Source(string path, [CallerFilePath] string here = "") =>
        Path.Combine(Path.GetDirectoryName(here)!, "..", "..", path);

    /// <summary>Compares a generated text with the checked-in file; with REFERRAL_ACCEPT=1 writes it first.</summary>
    public static async Task ShouldBeFresh(string path, string generated, string project)
    {
        var file = Source(path);
        if (Environment.GetEnvironmentVariable("REFERRAL_ACCEPT") == "1")
            await File.WriteAllTextAsync(file, generated);
        var kept = File.Exists(file) ? await File.ReadAllTextAsync(file) : "";
        (kept == generated).Should().BeTrue("{0} must be fresh; mend it with: REFERRAL_ACCEPT=1 tests/run {1}, then look at the difference", path, project);
    }

    public static string Pretty(string json) => JsonNode.Parse(json)!.ToJsonString(Readable) + "\n";

    /// <summary>Each operation says what an integrator needs: id, summary, tag, example, errors.</summary>
    public static void ShouldExplainEveryOperation(JsonElement document)
    {
        var ids = new HashSet<string>();
        foreach (var path in document.GetProperty("paths").EnumerateObject())
            foreach (var operation in path.Value.EnumerateObject())
            {
                var what = $"{operation.Name} {path.Name}";
                ids.Add(operation.Value.GetProperty("operationId").GetString()!).Should().BeTrue("{0} has an id of its own", what);
                operation.Value.GetProperty("summary").GetString().Should().NotBeNullOrEmpty(what);
                operation.Value.GetProperty("tags").GetArrayLength().Should().Be(1, what);
                var responses = operation.Value.GetProperty("responses");
                if (!operation.Value.TryGetProperty("security", out var security) || security.GetArrayLength() == 0)
                    continue;
                responses.EnumerateObject().Select(r => r.Name).Should().Contain(["401", "403", "429", "500", "503"], what);
                if (operation.Name == "post")
                    responses.EnumerateObject().Select(r => r.Name).Should().Contain(["400", "413", "415", "422"], what);
                if (operation.Value.TryGetProperty("requestBody", out var body))
                    foreach (var media in body.GetProperty("content").EnumerateObject())
                        media.Value.TryGetProperty("example", out _).Should().BeTrue("{0} shows an example", what);
            }
    }
}
