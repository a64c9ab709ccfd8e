using System.Net;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using ReferralService.Clients;
using ServiceDefaults.Auth;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Clients;

/// <summary>The token endpoint speaks RFC 6749 and lets nobody guess.</summary>
public sealed class TokenEndpointTests(ClientsHost host) : IClassFixture<ClientsHost>
{
    private const string Grant = "client_credentials";

    private Task<Machine> Client() => Machine.New(host.As(ReferralHost.County, "Head"), ["referral.read"]);

    [Fact]
    public async Task Id_and_secret_may_stand_in_the_body()
    {
        var client = await Client();
        (await host.Anonymous().Token(new() { ["grant_type"] = Grant, ["client_id"] = client.Id, ["client_secret"] = client.Secret })).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Theory]
    [InlineData("", 400, "invalid_request")]
    [InlineData("scope=referral.read", 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&client_secret=x", 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&client_id=mc-000000000000000000000000", 400, "invalid_request")]
    [InlineData("grant_type=client_credentials&scope=%00", 400, "invalid_request")]
    [InlineData("grant_type=password&username=a&password=b", 400, "unsupported_grant_type")]
    [InlineData("grant_type=client_credentials&scope=admin", 400, "invalid_scope")]
    [InlineData("grant_type=client_credentials&scope=referral.read%20%20referral.write", 400, "invalid_scope")]
    public async Task A_wrong_request_gets_the_error_of_the_rfc(string form, int status, string error)
    {
        var client = await Client();
        await Answers(form, $"{client.Id}:{client.Secret}", status, error);
    }

    [Theory]
    [InlineData("mc-000000000000000000000000:rcs_x")]
    [InlineData("mc-000000000000000000000000:")]
    [InlineData("' or 1=1 --:x")]
    [InlineData("no colon at all")]
    public async Task Nobody_known_gets_401_and_a_challenge(string basic) => await Answers("grant_type=" + Grant, basic, 401, "invalid_client");

    [Fact]
    public async Task Json_and_an_endless_form_are_refused()
    {
        var client = await Client();
        var json = await host.Anonymous().PostAsync("/oauth2/token", new StringContent("{}", Encoding.UTF8, "application/json"));
        json.StatusCode.Should().Be(HttpStatusCode.UnsupportedMediaType);
        await Answers("grant_type=" + new string('x', 100_000), $"{client.Id}:{client.Secret}", 400, "invalid_request");
        await Answers(string.Join('&', Enumerable.Range(0, 1000).Select(i => $"p{i}=x")), $"{client.Id}:{client.Secret}", 400, "invalid_request");
    }

    private async Task Answers(string form, string basic, int status, string error)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/oauth2/token") { Content = new StringContent(form, Encoding.UTF8, "application/x-www-form-urlencoded") };
        request.Headers.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(basic)));
        var answer = await host.Anonymous().SendAsync(request);
        ((int)answer.StatusCode).Should().Be(status);
        answer.Content.Headers.ContentType!.MediaType.Should().Be("application/json");
        answer.Headers.CacheControl!.NoStore.Should().BeTrue();
        answer.Headers.WwwAuthenticate.ToString().Should().Be(status == 401 ? "Basic realm=\"referral\"" : "");
        (await answer.Json()).GetProperty("error").GetString().Should().Be(error);
    }

    [Fact]
    public async Task A_guesser_waits_and_shuts_nobody_else_out()
    {
        var (victim, neighbour) = (await Client(), await Client());
        for (var i = 0; i < 10; i++)
            (await victim.Asks(host.Anonymous(), secret: "rcs_" + i)).StatusCode.Should().Be(HttpStatusCode.Unauthorized);
        // a part of the next one is given back already: too little for a try
        await Task.Delay(TimeSpan.FromSeconds(0.4));
        // on a busy machine the ten took so long that one more is allowed
        var refused = await victim.Asks(host.Anonymous());
        for (var more = 0; refused.StatusCode == HttpStatusCode.OK && more < 10; more++)
        {
            await victim.Asks(host.Anonymous(), secret: "rcs_more");
            refused = await victim.Asks(host.Anonymous());
        }
        refused.StatusCode.Should().Be(HttpStatusCode.TooManyRequests, "while it lasts the right one is not tried either");
        refused.Headers.RetryAfter!.Delta.Should().BePositive();
        (await neighbour.Asks(host.Anonymous())).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.Database.Query<int>("select count(*)::int from audit where subject = @Id and action = 'issue-token' and verdict = 'denied'", new { victim.Id })).Single().Should().BeInRange(10, 20);
        await Task.Delay(GuessLimits.Then);
        await Eventually.Is(async () => (await victim.Asks(host.Anonymous())).StatusCode == HttpStatusCode.OK, "who waits as told is served again");
    }

    [Theory]
    [InlineData("127.0.0.1", true)]
    [InlineData("192.0.2.7", false)]
    public async Task A_guesser_behind_a_known_proxy_waits_alone_and_one_who_invents_addresses_waits_all_the_same(string proxy, bool known)
    {
        await using var service = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock, new Dictionary<string, string> { ["Proxies:Known:0"] = proxy });
        service.UseKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        HttpClient From(string address)
        {
            var client = service.As(null);
            client.DefaultRequestHeaders.TryAddWithoutValidation("X-Forwarded-For", address);
            return client;
        }
        var victim = await Client();
        var waits = false;
        for (var i = 0; i < 60 && !waits; i++)
            waits = (await victim.Asks(From(known ? $"198.51.100.{i}, 203.0.113.1" : $"203.0.113.{i}"), secret: "rcs_" + i)).StatusCode == HttpStatusCode.TooManyRequests;
        waits.Should().BeTrue();
        if (known)
            (await victim.Asks(From("203.0.113.2"))).StatusCode.Should().Be(HttpStatusCode.OK, "another caller of the same proxy");
    }

    [Fact]
    public async Task A_program_finds_everything_from_the_issuers_address()
    {
        var metadata = await (await host.Anonymous().GetAsync("/.well-known/oauth-authorization-server")).Json();
        metadata.GetProperty("issuer").GetString().Should().Be(ClientIssuer.Name);
        metadata.GetProperty("grant_types_supported").EnumerateArray().Select(g => g.GetString()).Should().Equal(Grant);
        new Uri(metadata.GetProperty("token_endpoint").GetString()!).AbsolutePath.Should().Be("/oauth2/token");
        var keys = await (await host.Anonymous().GetAsync(new Uri(metadata.GetProperty("jwks_uri").GetString()!).AbsolutePath)).Json();
        keys.GetProperty("keys").GetArrayLength().Should().BeGreaterThan(0);
        keys.GetRawText().Should().NotContain("\"d\"");
    }

    [Fact]
    public async Task Where_no_issuer_is_set_no_client_is_made_and_no_token_given()
    {
        await using var service = new ServiceHost<Program>(host.Database.App, host.RabbitMq, host.Clock, new Dictionary<string, string> { ["Auth:Clients:Issuer"] = "" });
        (await service.As(null).Token(new() { ["grant_type"] = Grant }, "a:b")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        var refused = await service.As(Issuer.Shared.Token(ReferralHost.Township, "Head")).Command("/v1/clients", new { name = "x", scopes = new[] { "referral.read" } });
        (await refused.Json()).GetProperty("code").GetString().Should().Be("clients-not-offered");
    }
}

/// <summary>The referral service takes the tokens it signed itself; those of a stranger's key that bear its name it does not.</summary>
public sealed class ClientTokenAbuseTests(ClientsHost host) : ClientTokenAbuse, IClassFixture<ClientsHost>
{
    protected override HttpClient Anonymous => host.Anonymous();
    protected override string Readable => "/v1/referrals";

    protected override Task<string> Sign(Dictionary<string, object> claims, string type) =>
        host.Services.GetRequiredService<TokenKeys>().Sign(JsonSerializer.SerializeToUtf8Bytes(claims), type);

    protected override async Task<Dictionary<string, object>> Claims() =>
        ClientIssuer.Claims(ReferralHost.Township, await Machine.Created(host));
}

/// <summary>Keys are fetched when they are needed, never once for each request.</summary>
public sealed class ClientKeysTests
{
    private readonly TestClock _clock = new(DateTimeOffset.UtcNow);
    private string _kid = "a";
    private bool _away;
    private int _fetches;

    private ClientKeys Keys() => new(_ =>
    {
        _fetches++;
        return _away ? throw new HttpRequestException() : Task.FromResult($$"""
            {"keys":[{"kty":"EC","crv":"P-256","use":"sig","kid":"{{_kid}}","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
                     {"kty":"oct","kid":"secret","k":"AAAA"}]}
            """);
    }, _clock, NullLogger<ClientKeys>.Instance);

    private static IEnumerable<string> Ids(IEnumerable<Microsoft.IdentityModel.Tokens.SecurityKey> keys) => keys.Select(k => k.KeyId);

    [Fact]
    public async Task A_flood_of_unknown_keys_fetches_once_in_ten_seconds()
    {
        var keys = Keys();
        Ids(await keys.For("a")).Should().Equal(["a"], "a symmetric key is none");
        for (var i = 0; i < 1000; i++)
            await keys.For("unknown" + i);
        _fetches.Should().Be(1);
        _clock.Advance(ClientKeys.Between);
        await Task.WhenAll(Enumerable.Range(0, 1000).Select(i => keys.For("unknown" + i).AsTask()));
        _fetches.Should().Be(2);
    }

    [Fact]
    public async Task A_new_key_is_known_ten_seconds_later()
    {
        var keys = Keys();
        await keys.For("a");
        _kid = "b";
        _clock.Advance(ClientKeys.Between);
        Ids(await keys.For("b")).Should().Equal("b");
    }

    [Fact]
    public async Task An_issuer_that_is_away_harms_nobody_who_is_known_for_a_day()
    {
        var keys = Keys();
        await keys.For("a");
        _away = true;
        _clock.Advance(TimeSpan.FromHours(23));
        Ids(await keys.For("a")).Should().Equal("a");
        _clock.Advance(TimeSpan.FromHours(2));
        (await keys.For("a")).Should().BeEmpty();
        _away = false;
        _clock.Advance(ClientKeys.Between);
        Ids(await keys.For("a")).Should().Equal("a");
    }
}
