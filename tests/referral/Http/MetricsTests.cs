using System.Text.RegularExpressions;
using FluentAssertions;
using Xunit;

namespace ReferralService.Tests.Http;

/// <summary>What the one at night sees of the service: Prometheus text without a word about anybody.</summary>
[Collection("referral")]
public sealed partial class MetricsTests(ReferralHost host)
{
    [GeneratedRegex(@"^(?<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?<labels>[a-zA-Z_][a-zA-Z0-9_]*=""(\\.|[^""\\])*""(,[a-zA-Z_][a-zA-Z0-9_]*=""(\\.|[^""\\])*"")*)\})? (?<value>NaN|[+-]Inf|-?\d+(\.\d+)?([eE][+-]?\d+)?)$")]
    private static partial Regex Sample();

    private async Task<string[]> Scrape()
    {
        using var client = host.Anonymous();
        using var answer = await client.GetAsync("/metrics");
        answer.EnsureSuccessStatusCode();
        answer.Content.Headers.ContentType!.ToString().Should().Be("text/plain; version=0.0.4; charset=utf-8");
        return (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public async Task Each_figure_stands_below_its_type_and_a_type_is_told_once()
    {
        await A.Submitted(host);
        var types = new Dictionary<string, string>();
        foreach (var line in await Scrape())
        {
            if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                var parts = line.Split(' ');
                parts[3].Should().BeOneOf("counter", "gauge", "histogram");
                types.TryAdd(parts[2], parts[3]).Should().BeTrue("{0} is told once", parts[2]);
            }
            else if (!line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                var sample = Sample().Match(line);
                sample.Success.Should().BeTrue("this is no sample: {0}", line);
                var name = sample.Groups["name"].Value;
                (types.ContainsKey(name) || types.GetValueOrDefault(Regex.Replace(name, "_(bucket|sum|count)$", "")) == "histogram")
                    .Should().BeTrue("{0} has a type", name);
            }
        }
        types.Should().Contain("outbox_messages", "gauge").And.Contain("database_up", "gauge").And.Contain("referral_deadlines_late", "gauge");
    }

    [Fact]
    public async Task Requests_are_counted_by_the_pattern_of_their_route_and_the_buckets_add_up()
    {
        var referral = await A.Submitted(host);
        await referral.Does("accept");
        var lines = await Scrape();
        double Value(string start) => lines.Where(l => l.StartsWith(start, StringComparison.Ordinal)).Select(l => double.Parse(l[(l.LastIndexOf(' ') + 1)..])).Sum();
        const string labels = "{method=\"POST\",route=\"/v1/referrals/{id}/accept\",status=\"200\"";
        var count = Value("http_server_request_duration_seconds_count" + labels);
        count.Should().BeGreaterThan(0);
        Value("http_server_request_duration_seconds_bucket" + labels + ",le=\"+Inf\"").Should().Be(count);
        Value("http_server_request_duration_seconds_bucket" + labels + ",le=\"0.0025\"").Should().BeLessThanOrEqualTo(count);
    }

    [Fact]
    public async Task Nothing_in_it_says_whose_requests_they_were()
    {
        var referral = await A.Submitted(host);
        await referral.Does("accept");
        string.Join('\n', await Scrape()).Should().NotContain(referral.No).And.NotContain(referral.Id.ToString())
            .And.NotContain(referral.Sender).And.NotContain(referral.Receiver).And.NotContain("Password").And.NotContain("Host=");
    }
}
