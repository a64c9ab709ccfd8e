using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class OpenApiTests(Scheduling scheduling)
{
    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [Fact]
    public async Task The_checked_in_document_is_what_the_service_serves()
    {
        var file = Path.Combine(Root(), "services", "scheduling", "openapi.json");
        var served = JsonNode.Parse(await scheduling.Host.As(null).GetStringAsync("/openapi/v1.json"))!.ToJsonString(Readable) + "\n";
        if (Environment.GetEnvironmentVariable("REFERRAL_ACCEPT") == "1")
            await File.WriteAllTextAsync(file, served);

        var kept = File.Exists(file) ? await File.ReadAllTextAsync(file) : "";

        (kept == served).Should().BeTrue("services/scheduling/openapi.json must be fresh; mend it with: "
            + "REFERRAL_ACCEPT=1 tests/run scheduling --filter FullyQualifiedName~OpenApiTests");
    }

    [Fact]
    public async Task Every_operation_has_id_summary_tag_example_and_its_errors()
    {
        var document = await scheduling.Host.As(null).GetAsync("/openapi/v1.json").Json();

        foreach (var path in document.GetProperty("paths").EnumerateObject())
            foreach (var operation in path.Value.EnumerateObject())
            {
                var what = $"{operation.Name} {path.Name}";
                operation.Value.GetProperty("operationId").GetString().Should().NotBeNullOrEmpty(what);
                operation.Value.GetProperty("summary").GetString().Should().NotBeNullOrEmpty(what);
                operation.Value.GetProperty("tags").GetArrayLength().Should().Be(1, what);
                if (path.Name == "/v1/problems")
                    continue;
                var responses = operation.Value.GetProperty("responses");
                var answer = responses.EnumerateObject().Single(r => r.Name is "200" or "201").Value;
                answer.GetProperty("content").EnumerateObject().Single().Value.TryGetProperty("example", out _).Should().BeTrue(what);
                string[] errors = operation.Name == "post" ? ["400", "401", "403", "413", "415", "422", "503"] : ["400", "401", "403", "503"];
                responses.EnumerateObject().Select(r => r.Name).Should().Contain(errors, what);
                if (operation.Name == "post")
                    operation.Value.GetProperty("requestBody").GetProperty("content").GetProperty("application/json")
                        .TryGetProperty("example", out _).Should().BeTrue(what);
            }
    }

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Referral.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new InvalidOperationException("Referral.sln is in none of the folders above the tests.");
        return folder;
    }
}
