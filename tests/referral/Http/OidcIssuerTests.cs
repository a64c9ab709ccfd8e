using System.Net;
using System.Security.Cryptography;
using FluentAssertions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

/// <summary>Tokens of an issuer over HTTP: its keys turn, are withdrawn, and a flood of unknown ones is no flood at the issuer.</summary>
[Collection("referral")]
public sealed class OidcIssuerTests(ReferralHost host) : IAsyncLifetime
{
    private readonly Dictionary<string, RSA> _keys = new() { ["one"] = RSA.Create(2048), ["two"] = RSA.Create(2048) };
    private WebApplication _issuer = null!;
    private ServiceHost<Program> _service = null!;
    private string[] _published = ["one"];
    private int _fetched;

    private string Address => _issuer.Urls.Single();

    public async Task InitializeAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        _issuer = builder.Build();
        _issuer.MapGet("/.well-known/openid-configuration", () =>
        {
            Interlocked.Increment(ref _fetched);
            return Results.Json(new { issuer = Address, jwks_uri = Address + "/keys" });
        });
        _issuer.MapGet("/keys", () =>
        {
            Interlocked.Increment(ref _fetched);
            return Results.Json(new { keys = _published.Select(kid => Public(kid)) });
        });
        await _issuer.StartAsync();
        _service = new(host.Database.App, host.RabbitMq, host.Clock, new Dictionary<string, string>
        {
            ["Auth:DevelopmentKeyFile"] = "", ["Auth:Authority"] = Address, ["Auth:Issuer"] = Address,
        });
    }

    public async Task DisposeAsync()
    {
        await _service.DisposeAsync();
        await _issuer.DisposeAsync();
    }

    private object Public(string kid)
    {
        var open = _keys[kid].ExportParameters(false);
        return new { kty = "RSA", use = "sig", kid, alg = "RS256", n = Base64UrlEncoder.Encode(open.Modulus), e = Base64UrlEncoder.Encode(open.Exponent) };
    }

    // no two tokens are the same: none is remembered
    private string Token(RSA key, string kid) => new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
    {
        Issuer = Address, Audience = Issuer.Audience, Expires = DateTime.UtcNow.AddHours(1),
        Claims = new Dictionary<string, object> { ["sub"] = "dr-test", ["institution"] = ReferralHost.Township, ["role"] = "Clinician", ["jti"] = Guid.NewGuid().ToString() },
        SigningCredentials = new(new RsaSecurityKey(key) { KeyId = kid }, SecurityAlgorithms.RsaSha256),
    });

    private async Task<HttpStatusCode> Ask(string token) => (await _service.As(token).GetAsync("/v1/referrals?limit=1")).StatusCode;

    private Task<HttpStatusCode> With(string kid) => Ask(Token(_keys[kid], kid));

    [Fact]
    public async Task A_flood_of_unknown_key_ids_is_answered_with_401_and_does_not_become_a_flood_at_the_issuer()
    {
        (await With("one")).Should().Be(HttpStatusCode.OK);
        var before = _fetched;
        using var forger = RSA.Create(2048);
        var answers = await Task.WhenAll(Enumerable.Range(0, 200).Select(i => Ask(Token(forger, $"unknown-{i}"))));
        answers.Should().OnlyContain(a => a == HttpStatusCode.Unauthorized);
        (await Ask(Token(forger, "one"))).Should().Be(HttpStatusCode.Unauthorized, "a known id with another's key");
        (await With("one")).Should().Be(HttpStatusCode.OK);
        (_fetched - before).Should().BeLessThanOrEqualTo(4, "discovery and keys were fetched again once or twice for 201 tokens");
    }

    [Fact]
    public async Task When_the_key_turns_both_are_taken_while_both_are_published()
    {
        (await With("one")).Should().Be(HttpStatusCode.OK);
        _published = ["one", "two"];
        await Eventually.Is(async () => await With("two") == HttpStatusCode.OK, "the new key is taken");
        (await With("one")).Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_withdrawn_key_opens_nothing_once_the_keys_were_fetched_again()
    {
        (await With("one")).Should().Be(HttpStatusCode.OK);
        _published = ["two"];
        await Eventually.Is(async () => await With("two") == HttpStatusCode.OK, "the new key is taken");
        (await With("one")).Should().Be(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task An_issuer_that_is_away_delays_nobody_whose_key_is_known()
    {
        (await With("one")).Should().Be(HttpStatusCode.OK);
        await _issuer.StopAsync();
        using var forger = RSA.Create(2048);
        (await Ask(Token(forger, "unknown"))).Should().Be(HttpStatusCode.Unauthorized);
        (await With("one")).Should().Be(HttpStatusCode.OK);
    }
}
