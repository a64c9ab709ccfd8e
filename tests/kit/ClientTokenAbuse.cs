using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.IdentityModel.Tokens;
using Xunit;

namespace TestKit;

/// <summary>
/// Tokens that say they come from the issuer of machine clients and do not, or that it would never give: each ends in
/// 401. The two issuers never stand in for each other.
/// </summary>
public abstract class ClientTokenAbuse
{
    private const string Institution = "12210681DEM0001022";

    protected abstract HttpClient Anonymous { get; }
    /// <summary>Something that a good token may read.</summary>
    protected abstract string Readable { get; }
    /// <summary>Any claims under the key that this service takes for the issuer's.</summary>
    protected abstract Task<string> Sign(Dictionary<string, object> claims, string type);
    /// <summary>Claims of a client that stands.</summary>
    protected virtual Task<Dictionary<string, object>> Claims() => Task.FromResult(ClientIssuer.Claims(Institution));

    [Fact]
    public async Task A_good_token_reads() => (await Ask(await Sign(await Claims(), "at+jwt"))).StatusCode.Should().Be(HttpStatusCode.OK);

    public static TheoryData<string> Wrong => [.. WrongClaims.Keys];

    private static readonly Dictionary<string, Action<Dictionary<string, object>>> WrongClaims = new()
    {
        ["expired"] = c => c["exp"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 60,
        ["without an end"] = c => c.Remove("exp"),
        ["not valid yet"] = c => c["nbf"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() + 600,
        ["for another audience"] = c => c["aud"] = "another-system",
        ["without an audience"] = c => c.Remove("aud"),
        ["of the issuer of people"] = c => c["iss"] = Issuer.Name,
        ["of another issuer"] = c => c["iss"] = "https://issuer.example",
        ["of the issuer, another spelling"] = c => c["iss"] = ClientIssuer.Name + "/",
        ["a clinician"] = c => c["role"] = "Clinician",
        ["a head"] = c => c["role"] = "Head",
        ["without a role"] = c => c.Remove("role"),
    };

    [Theory, MemberData(nameof(Wrong))]
    public async Task A_token_that_the_issuer_would_not_give_is_refused_with_401(string wrong)
    {
        var claims = await Claims();
        WrongClaims[wrong](claims);
        await Refused(await Sign(claims, "at+jwt"), wrong);
    }

    [Theory]
    [InlineData("JWT")]
    [InlineData("id+jwt")]
    [InlineData("referral-certificate+jwt")]
    public async Task Something_else_that_was_signed_is_no_token(string type) => await Refused(await Sign(await Claims(), type), type);

    [Fact]
    public async Task Nobody_elses_signature_counts()
    {
        var claims = await Claims();
        using var own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var good = await Sign(claims, "at+jwt");
        var kid = JsonDocument.Parse(Base64UrlEncoder.DecodeBytes(good.Split('.')[0])).RootElement.GetProperty("kid").GetString()!;
        var forged = new Dictionary<string, string>
        {
            ["another key under the issuer's key id"] = ClientIssuer.Shared.Signed(claims, kid: kid, key: own),
            ["another key under its own key id"] = ClientIssuer.Shared.Signed(claims, kid: "mine", key: own),
            ["a key id that is a path"] = ClientIssuer.Shared.Signed(claims, kid: "../../../dev/null", key: own),
            ["the key of the issuer of people"] = Issuer.Shared.Signed(claims, SecurityAlgorithms.RsaSha256, "at+jwt"),
            ["no algorithm"] = Join(new { alg = "none", typ = "at+jwt", kid }, claims, []),
            ["HS256 with the public key as secret"] = Hmac(kid, claims),
            ["no signature"] = string.Join('.', good.Split('.')[..2]) + ".",
            ["one byte of the claims changed"] = Flip(good, 1),
            ["one byte of the signature changed"] = Flip(good, 2),
        };
        foreach (var (how, token) in forged)
            await Refused(token, how);
    }

    private async Task Refused(string token, string how)
    {
        var answer = await Ask(token);
        answer.StatusCode.Should().Be(HttpStatusCode.Unauthorized, how);
        answer.Headers.WwwAuthenticate.ToString().Should().Be("Bearer", "nothing says why");
        (await answer.Json()).GetProperty("code").GetString().Should().Be("unauthenticated");
    }

    private async Task<HttpResponseMessage> Ask(string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, Readable);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        return await Anonymous.SendAsync(request);
    }

    private static string Hmac(string kid, Dictionary<string, object> claims)
    {
        var text = Join(new { alg = "HS256", typ = "at+jwt", kid }, claims, [])[..^1];
        return $"{text}.{Base64UrlEncoder.Encode(HMACSHA256.HashData(ClientIssuer.Shared.Key.ExportSubjectPublicKeyInfo(), Encoding.ASCII.GetBytes(text)))}";
    }

    private static string Join(object header, object claims, byte[] signature) => $"{Part(header)}.{Part(claims)}.{Base64UrlEncoder.Encode(signature)}";

    private static string Part(object value) => Base64UrlEncoder.Encode(JsonSerializer.SerializeToUtf8Bytes(value));

    private static string Flip(string token, int part)
    {
        var parts = token.Split('.');
        var bytes = Base64UrlEncoder.DecodeBytes(parts[part]);
        bytes[bytes.Length / 2] ^= 1;
        parts[part] = Base64UrlEncoder.Encode(bytes);
        return string.Join('.', parts);
    }
}
