using System.Net;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Protection;

/// <summary>Who asks too much waits; nobody else notices. And what every answer tells a browser.</summary>
[Collection("referral")]
public sealed class RateLimitTests(ReferralHost host)
{
    private ServiceHost<Program> Limited() => new(host.Database.App, host.RabbitMq, host.Clock, new Dictionary<string, string>
    {
        ["RateLimits:PerSecond"] = "2", ["RateLimits:Burst"] = "5", ["RateLimits:AnonymousPerSecond"] = "1", ["RateLimits:AnonymousBurst"] = "3",
    });

    // all at once: however slow the machine is, they are more than a second allows
    private static Task<T[]> Burst<T>(Func<int, Task<T>> ask) => Task.WhenAll(Enumerable.Range(0, 100).Select(ask));

    [Fact]
    public async Task The_sixth_request_of_a_burst_of_five_waits_and_another_client_does_not()
    {
        await using var service = Limited();
        var greedy = service.As(Issuer.Shared.Token(ReferralHost.Township, subject: "greedy"));
        var answers = await Burst(_ => greedy.GetAsync("/v1/referrals?limit=1"));
        var refused = answers.First(a => a.StatusCode == HttpStatusCode.TooManyRequests);
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().BeGreaterThanOrEqualTo(5);
        refused.Headers.RetryAfter!.Delta.Should().BeGreaterThanOrEqualTo(TimeSpan.FromSeconds(1));
        (await refused.Json()).GetProperty("code").GetString().Should().Be("too-many-requests");
        (await service.As(Issuer.Shared.Token(ReferralHost.Township, subject: "modest")).GetAsync("/v1/referrals?limit=1")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await service.As(Issuer.Shared.Token(ReferralHost.County, subject: "greedy")).GetAsync("/v1/referrals?limit=1")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Whoever_waits_as_told_is_served_again()
    {
        await using var service = Limited();
        var client = service.As(Issuer.Shared.Token(ReferralHost.Township, subject: "patient-client"));
        var answer = (await Burst(_ => client.GetAsync("/v1/referrals?limit=1"))).First(a => a.StatusCode == HttpStatusCode.TooManyRequests);
        await Task.Delay(answer.Headers.RetryAfter!.Delta!.Value);
        (await client.GetAsync("/v1/referrals?limit=1")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task Requests_without_a_token_are_limited_by_address_and_health_is_not()
    {
        await using var service = Limited();
        var nobody = service.As(null);
        (await Burst(_ => nobody.GetAsync("/v1/referrals"))).Select(a => a.StatusCode).Distinct().Should().BeEquivalentTo([HttpStatusCode.Unauthorized, HttpStatusCode.TooManyRequests]);
        for (var i = 0; i < 20; i++)
            (await nobody.GetAsync("/health/live")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    // a real socket: in memory nobody has an address
    private ServiceHost<Program> Behind(string? proxy)
    {
        var settings = new Dictionary<string, string> { ["RateLimits:AnonymousPerSecond"] = "1", ["RateLimits:AnonymousBurst"] = "3" };
        if (proxy is not null)
            settings["Proxies:Known:0"] = proxy;
        var service = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock, settings);
        service.UseKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        return service;
    }

    private static async Task<HttpStatusCode> From(HttpClient client, string forwardedFor)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/v1/referrals");
        request.Headers.TryAddWithoutValidation("X-Forwarded-For", forwardedFor);
        return (await client.SendAsync(request)).StatusCode;
    }

    // a burst of three and one a second: of a hundred at once some wait, if they count as one
    private static async Task<bool> AreOne(HttpClient client, Func<int, string> forwardedFor) =>
        (await Burst(i => From(client, forwardedFor(i)))).Contains(HttpStatusCode.TooManyRequests);

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("127.0.0.0/8")]
    public async Task Behind_a_proxy_that_is_known_each_caller_counts_for_itself_whatever_it_wrote_before_the_proxy(string proxy)
    {
        await using var service = Behind(proxy);
        var client = service.As(null);
        (await AreOne(client, _ => "203.0.113.1")).Should().BeTrue();
        (await From(client, "203.0.113.2")).Should().Be(HttpStatusCode.Unauthorized, "another caller");
        (await AreOne(client, i => $"198.51.100.{i}, 203.0.113.1")).Should().BeTrue("the proxy appended the last one, the caller invented the first");
        (await AreOne(client, i => $"203.0.113.{i + 10}")).Should().BeFalse();
    }

    [Theory]
    [InlineData(null)]
    [InlineData("192.0.2.7")]
    public async Task What_an_unknown_proxy_says_of_its_caller_changes_nothing(string? proxy)
    {
        await using var service = Behind(proxy);
        (await AreOne(service.As(null), i => $"203.0.113.{i}")).Should().BeTrue();
    }

    [Theory]
    [InlineData("0.0.0.0/0")]
    [InlineData("::/0")]
    [InlineData("nginx")]
    [InlineData("")]
    public async Task Nobody_starts_with_all_the_world_or_nonsense_for_a_proxy(string proxy)
    {
        await using var service = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock, new Dictionary<string, string> { ["Proxies:Known:0"] = proxy });
        service.Invoking(s => s.As(null)).Should().Throw<InvalidOperationException>().WithMessage("*Proxies:Known*");
    }

    [Theory]
    [InlineData("/v1/referrals", "private, no-cache")]
    [InlineData("/v1/referrals/nothing", "no-store")]
    [InlineData("/v1/problems", "no-store")]
    [InlineData("/nowhere", "no-store")]
    public async Task Every_answer_tells_a_browser_to_keep_and_guess_nothing(string address, string cache)
    {
        var answer = await host.As(ReferralHost.Township).GetAsync(address);
        string Header(string name) => string.Join(',', answer.Headers.TryGetValues(name, out var values) ? values : []);
        Header("X-Content-Type-Options").Should().Be("nosniff");
        Header("X-Frame-Options").Should().Be("DENY");
        Header("Referrer-Policy").Should().Be("no-referrer");
        Header("Content-Security-Policy").Should().Contain("default-src 'none'").And.Contain("frame-ancestors 'none'");
        Header("Cache-Control").Split(", ").Should().BeEquivalentTo(cache.Split(", "));
        Header("Server").Should().BeEmpty();
    }
}
