using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Xunit;

namespace Contracts.Tests;

/// <summary>The libraries that subscribers without .NET use, taken from npm, accept what is checked in.</summary>
[Collection("contracts")]
public sealed class NpmTests(NpmTests.Libraries libraries) : IClassFixture<NpmTests.Libraries>
{
    [Fact]
    public async Task The_cloudevents_library_reads_every_golden_file()
    {
        var checkedIn = await libraries.CheckedIn;
        checkedIn.Events.Should().Be(Catalogue.All.Count);
        checkedIn.CloudEvents.Should().BeEmpty();
    }

    [Fact]
    public async Task Ajv_finds_every_golden_file_valid_against_its_schema() => (await libraries.CheckedIn).Schemas.Should().BeEmpty();

    [Fact]
    public async Task The_asyncapi_parser_finds_no_error_and_no_warning() => (await libraries.CheckedIn).AsyncApi.Should().BeEmpty();

    [Theory]
    [InlineData("referral")]
    [InlineData("scheduling")]
    [InlineData("notification")]
    public async Task Spectral_and_Redocly_report_nothing_on_the_OpenAPI_document_of(string service)
    {
        var document = Path.Combine(SourceTree.Root, "services", service, "openapi.json");

        (await libraries.Lint("spectral", "lint", "--ruleset", "spectral.json", "--fail-severity", "hint", "--quiet", document)).Should().BeEmpty();
        (await libraries.Lint("redocly", "lint", "--format", "github-actions", document)).Should().BeEmpty();
    }

    [Fact]
    public async Task Broken_events_and_a_broken_document_are_noticed()
    {
        var folder = Directory.CreateTempSubdirectory("referral-contracts").FullName;
        try
        {
            var (contracts, golden) = (Path.Combine(folder, "contracts"), Path.Combine(folder, "golden"));
            Copy(Path.Combine(SourceTree.Contracts, "schemas"), Path.Combine(contracts, "schemas"));
            Copy(SourceTree.Golden, golden);
            Break("referral.accepted", e => e["data"]!.AsObject().Remove("state"));
            Break("referral.declined", e => e["data"]!["priority"] = "Sometimes");
            Break("referral.arrived", e => e["data"]!["booking"]!["startsAt"] = "tomorrow");
            Break("referral.rated", e => e["data"]!["rating"] = "5");
            Break("referral.closed", e => e["type"] = "referral.sideways.closed");
            Break("scheduling.booked", e => e["time"] = "noon");
            Break("scheduling.released", e => e.Remove("source"));
            var document = await File.ReadAllTextAsync(Path.Combine(SourceTree.Contracts, "asyncapi.yaml"));
            await File.WriteAllTextAsync(Path.Combine(contracts, "asyncapi.yaml"),
                document.Replace("./schemas/referral.accepted.json", "./schemas/referral.lost.json").Replace("action: send", "action: shout"));

            var found = await libraries.Check(contracts, golden);

            Files(found.Schemas).Should().BeEquivalentTo("referral.accepted.json", "referral.declined.json", "referral.arrived.json",
                "referral.rated.json", "referral.closed.json", "scheduling.booked.json", "scheduling.released.json");
            Files(found.CloudEvents).Should().Contain("scheduling.released.json");
            found.AsyncApi.Should().Contain(line => line.Contains("referral.lost.json")).And.Contain(line => line.Contains("action"));

            void Break(string name, Action<JsonObject> how)
            {
                var file = Path.Combine(golden, name + ".json");
                var e = JsonNode.Parse(File.ReadAllText(file))!.AsObject();
                how(e);
                File.WriteAllText(file, e.ToJsonString());
            }
        }
        finally
        {
            Directory.Delete(folder, true);
        }
    }

    private static IEnumerable<string> Files(IEnumerable<string> lines) => lines.Select(line => line[..line.IndexOf(':')]).Distinct();

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.GetFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    /// <summary>What the libraries found wrong; empty lists are good news.</summary>
    public sealed record Findings(int Events, IReadOnlyList<string> CloudEvents, IReadOnlyList<string> Schemas, IReadOnlyList<string> AsyncApi);

    /// <summary>The libraries of <c>npm/package-lock.json</c>, installed when they are not there, and what they find in the source tree.</summary>
    public sealed class Libraries
    {
        private static readonly TimeSpan Longest = TimeSpan.FromMinutes(4);
        private readonly Lazy<Task> _installed = new(Install);

        public Libraries() => CheckedIn = Check(SourceTree.Contracts, SourceTree.Golden);

        public Task<Findings> CheckedIn { get; }

        public async Task<Findings> Check(string contracts, string golden)
        {
            await _installed.Value;
            var (code, output, errors) = await Run("node", "check.mjs", contracts, golden);
            code.Should().Be(0, "check.mjs should say what is wrong instead of falling over: {0}", errors);
            return JsonSerializer.Deserialize<Findings>(output, JsonSerializerOptions.Web)!;
        }

        /// <summary>What a linter complains about; nothing when it is content.</summary>
        public async Task<IReadOnlyList<string>> Lint(string program, params string[] arguments)
        {
            await _installed.Value;
            var (code, output, errors) = await Run(Path.Combine(SourceTree.Npm, "node_modules/.bin", program), arguments);
            var complaints = output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Where(line => !line.StartsWith("No results", StringComparison.Ordinal)).ToArray();
            return code == 0 || complaints.Length > 0 ? complaints : [errors];
        }

        private static async Task Install()
        {
            // npm writes this list when everything is in place
            var list = new FileInfo(Path.Combine(SourceTree.Npm, "node_modules/.package-lock.json"));
            if (list.Exists && list.LastWriteTimeUtc >= File.GetLastWriteTimeUtc(Path.Combine(SourceTree.Npm, "package-lock.json")))
                return;
            var (code, output, errors) = await Run("npm", "ci", "--loglevel=error");
            code.Should().Be(0, "npm ci in tests/contracts/npm should install the libraries; it needs its registry. It said: {0}{1}", output, errors);
        }

        private static async Task<(int Code, string Output, string Errors)> Run(string program, params string[] arguments)
        {
            var start = new ProcessStartInfo(program, arguments)
            {
                WorkingDirectory = SourceTree.Npm, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true,
                Environment = { ["REDOCLY_TELEMETRY"] = "off", ["REDOCLY_SUPPRESS_UPDATE_NOTICE"] = "true" },
            };
            Process process;
            try
            {
                process = Process.Start(start)!;
            }
            catch (System.ComponentModel.Win32Exception)
            {
                throw new InvalidOperationException(
                    $"{program} is missing: install Node.js 18 or newer with npm (Debian: apt-get install nodejs npm), then run the tests again.");
            }
            using (process)
            using (var patience = new CancellationTokenSource(Longest))
            {
                process.StandardInput.Close();
                try
                {
                    var output = process.StandardOutput.ReadToEndAsync(patience.Token);
                    var errors = process.StandardError.ReadToEndAsync(patience.Token);
                    await process.WaitForExitAsync(patience.Token);
                    return (process.ExitCode, await output, await errors);
                }
                catch (OperationCanceledException)
                {
                    process.Kill(entireProcessTree: true);
                    throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within {Longest.TotalMinutes} minutes.");
                }
            }
        }
    }
}
