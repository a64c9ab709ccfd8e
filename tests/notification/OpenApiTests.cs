using System.Text.Json;
using System.Text.Json.Nodes;

namespace NotificationService.Tests;

[Collection("service")]
public sealed class OpenApiTests(Service service)
{
    private static readonly string File = Path.Combine(Root(), "services", "notification", "openapi.json");
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, IndentSize = 2, NewLine = "\n", Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private async Task<JsonNode> Document() => JsonNode.Parse(await service.Anonymous().GetStringAsync("/openapi/v1.json"))!;

    [Fact]
    public async Task The_checked_in_document_is_the_one_the_service_serves()
    {
        var served = (await Document()).ToJsonString(Indented) + "\n";
        if (Environment.GetEnvironmentVariable("REFERRAL_ACCEPT") == "1")
            await System.IO.File.WriteAllTextAsync(File, served);
        var checkedIn = System.IO.File.Exists(File) ? await System.IO.File.ReadAllTextAsync(File) : "";
        (checkedIn == served).Should().BeTrue(
            "services/notification/openapi.json is generated; mend it with: REFERRAL_ACCEPT=1 tests/run --filter FullyQualifiedName~NotificationService.Tests.OpenApiTests");
    }

    [Fact]
    public async Task Every_operation_has_an_id_a_summary_a_tag_an_example_and_its_refusals()
    {
        var paths = (await Document())["paths"]!.AsObject();
        var ids = new List<string>();
        foreach (var (path, item) in paths)
            foreach (var (method, operation) in item!.AsObject())
            {
                var name = $"{method} {path}";
                ids.Add(operation!["operationId"]?.GetValue<string>() ?? name);
                operation["summary"]?.GetValue<string>().Should().NotBeNullOrEmpty(name);
                operation["tags"]!.AsArray().Should().ContainSingle(name);
                if (path == "/v1/problems")
                    continue;
                operation["description"]?.GetValue<string>().Should().NotBeNullOrEmpty(name);
                var responses = operation["responses"]!.AsObject();
                responses.Select(r => r.Key).Should().Contain(["401", "500", "503"], name);
                foreach (var (status, response) in responses)
                    if (response!["content"]?["application/json"] is { } answer)
                        answer["example"].Should().NotBeNull("{0} {1}", name, status);
                if (method == "post")
                    operation["parameters"]!.AsArray().Select(p => p!["name"]!.GetValue<string>()).Should().Contain("Idempotency-Key", name);
            }
        ids.Should().OnlyHaveUniqueItems();
        paths.Select(p => p.Key).Should().BeEquivalentTo(
            "/v1/events", "/v1/endpoints", "/v1/endpoints/{id}", "/v1/endpoints/{id}/pause", "/v1/endpoints/{id}/resume",
            "/v1/endpoints/{id}/test", "/v1/endpoints/{id}/attempts", "/v1/problems");
    }

    private static string Root()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!System.IO.File.Exists(Path.Combine(folder.FullName, "Directory.Packages.props")))
            folder = folder.Parent ?? throw new InvalidOperationException("The tests run outside the checkout.");
        return folder.FullName;
    }
}
