using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.IdentityModel.Tokens;
using Xunit;

namespace TestKit;

/// <summary>Tokens that nobody of ours made, or that say what they may not: each ends in 401 or 403, and no answer says why.</summary>
public abstract class TokenAbuse
{
    private const string Institution = "12210681DEM0001022";

    protected abstract HttpClient Anonymous { get; }

    /// <summary>Something that a good token may read.</summary>
    protected abstract string Readable { get; }

    [Fact]
    public async Task A_good_token_reads() =>
        (await Ask(Issuer.Shared.Token(Institution))).StatusCode.Should().Be(HttpStatusCode.OK);

    public static TheoryData<string> Forged => [.. Forgeries.Keys];

    private static readonly Dictionary<string, Func<string>> Forgeries = new()
    {
        ["no algorithm"] = () => Join(new { alg = "none", typ = "JWT" }, Claims(), []),
        ["no algorithm, another spelling"] = () => Join(new { alg = "nOnE", typ = "JWT" }, Claims(), []),
        ["no signature"] = () => Issuer.Shared.Token(Institution).Split('.') is var p ? $"{p[0]}.{p[1]}." : "",
        ["HS256 with the public key as secret"] = () => Hmac(File.ReadAllBytes(Issuer.Shared.KeyFile)),
        ["HS256 with the public key's bytes as secret"] = () => Hmac(Issuer.Shared.Key.ExportSubjectPublicKeyInfo()),
        ["HS256 with an empty secret"] = () => Hmac([]),
        ["RS384, which is not among the pinned ones"] = () => Issuer.Shared.Signed(Claims(), SecurityAlgorithms.RsaSha384),
        ["signed by another key"] = () => Signed(RSA.Create(2048), new { alg = "RS256", typ = "JWT" }),
        ["another key in its own header"] = () => WithOwnKey(),
        ["a key's address in its header"] = () => Signed(RSA.Create(2048), new { alg = "RS256", typ = "JWT", jku = "http://127.0.0.1:1/keys", x5u = "http://127.0.0.1:1/cert" }),
        ["kid is a path"] = () => Signed(RSA.Create(2048), new { alg = "RS256", typ = "JWT", kid = "../../../../dev/null" }),
        ["kid is SQL"] = () => Signed(RSA.Create(2048), new { alg = "RS256", typ = "JWT", kid = "x' union select 'key' --" }),
        ["one byte of the claims changed"] = () => Flip(Issuer.Shared.Token(Institution), 1),
        ["one byte of the signature changed"] = () => Flip(Issuer.Shared.Token(Institution), 2),
        ["expired"] = () => Issuer.Shared.Token(Institution, expires: DateTime.UtcNow.AddMinutes(-2)),
        ["not valid yet"] = () => Issuer.Shared.Token(Institution, expires: DateTime.UtcNow.AddHours(12)),
        ["without an end"] = () => Issuer.Shared.Signed(Claims(exp: null), SecurityAlgorithms.RsaSha256),
        ["for another audience"] = () => Issuer.Shared.Token(Institution, audience: "another-system"),
        ["of another issuer"] = () => Issuer.Shared.Token(Institution, issuer: "https://issuer.example"),
        ["an identity token"] = () => Issuer.Shared.Signed(Claims(), SecurityAlgorithms.RsaSha256, "id+jwt"),
        ["two parts"] = () => "eyJhbGciOiJSUzI1NiJ9.e30",
        ["no token at all"] = () => "x",
        ["a megabyte"] = () => Issuer.Shared.Token(Institution, subject: new string('x', 1_000_000)),
    };

    [Theory, MemberData(nameof(Forged))]
    public async Task A_token_that_is_not_ours_is_refused_with_401(string forgery)
    {
        var answer = await Ask(Forgeries[forgery]());
        answer.StatusCode.Should().Be(HttpStatusCode.Unauthorized, forgery);
        answer.Headers.WwwAuthenticate.ToString().Should().Be("Bearer", "nothing says why");
        var problem = await answer.Json();
        problem.GetProperty("code").GetString().Should().Be("unauthenticated");
        problem.TryGetProperty("errors", out _).Should().BeFalse();
    }

    public static TheoryData<string> Misshapen => [.. Shapes.Keys];

    private static readonly Dictionary<string, Action<Dictionary<string, object>>> Shapes = new()
    {
        ["no subject"] = c => c.Remove("sub"),
        ["no institution"] = c => c.Remove("institution"),
        ["no role"] = c => c.Remove("role"),
        ["a role nobody has"] = c => c["role"] = "Superuser",
        ["a role by its number"] = c => c["role"] = "3",
        ["two roles in one text"] = c => c["role"] = "Clinician, Auditor",
        ["two roles"] = c => c["role"] = new[] { "Clinician", "Auditor" },
        ["two institutions"] = c => c["institution"] = new[] { Institution, "12210600DEM0000149" },
        ["an institution that is SQL"] = c => c["institution"] = "x' or '1'='1",
        ["an institution with the key's separator"] = c => c["institution"] = Institution + "|dr",
        ["an institution that is an object"] = c => c["institution"] = new Dictionary<string, string> { ["code"] = Institution },
        ["an empty institution"] = c => c["institution"] = "",
        ["a subject with a line break"] = c => c["sub"] = "dr\nadmin",
        ["a subject too long for the audit"] = c => c["sub"] = new string('x', 129),
        ["on behalf of two"] = c => c["onBehalfOf"] = new[] { "dr-0001", "dr-0002" },
        ["on behalf of a text"] = c => c["onBehalfOf"] = "dr-0001; drop table audit",
        ["on behalf of nobody"] = c => c["onBehalfOf"] = "",
        ["on behalf of an object"] = c => c["onBehalfOf"] = new Dictionary<string, string> { ["id"] = "dr-0001" },
        ["on behalf of something very long"] = c => c["onBehalfOf"] = new string('1', 65),
        ["a purpose in words"] = c => c["purpose"] = "because I want to",
        ["two purposes"] = c => c["purpose"] = new[] { "TREATMENT", "PAYMENT" },
        ["a department that is none"] = c => c["department"] = "03.03' --",
    };

    [Theory, MemberData(nameof(Misshapen))]
    public async Task A_token_with_a_claim_of_another_shape_is_refused_with_403(string shape)
    {
        var claims = Claims();
        Shapes[shape](claims);
        var answer = await Ask(Issuer.Shared.Signed(claims, SecurityAlgorithms.RsaSha256));
        answer.StatusCode.Should().Be(HttpStatusCode.Forbidden, shape);
        (await answer.Json()).GetProperty("code").GetString().Should().Be("forbidden");
    }

    private async Task<HttpResponseMessage> Ask(string token)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, Readable);
        request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        return await Anonymous.SendAsync(request);
    }

    private static Dictionary<string, object> Claims(int? exp = 3600)
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var claims = new Dictionary<string, object>
        {
            ["iss"] = Issuer.Name, ["aud"] = Issuer.Audience, ["sub"] = "dr-test", ["institution"] = Institution, ["role"] = "Clinician",
            ["iat"] = now - 10, ["nbf"] = now - 10,
        };
        if (exp is { } seconds)
            claims["exp"] = now + seconds;
        return claims;
    }

    private static string Hmac(byte[] secret)
    {
        var text = Join(new { alg = "HS256", typ = "JWT" }, Claims(), [])[..^1];
        return $"{text}.{Base64UrlEncoder.Encode(HMACSHA256.HashData(secret, Encoding.ASCII.GetBytes(text)))}";
    }

    private static string Signed(RSA key, object header)
    {
        var text = Join(header, Claims(), [])[..^1];
        return $"{text}.{Base64UrlEncoder.Encode(key.SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1))}";
    }

    private static string WithOwnKey()
    {
        var key = RSA.Create(2048);
        var open = key.ExportParameters(false);
        return Signed(key, new { alg = "RS256", typ = "JWT", jwk = new { kty = "RSA", n = Base64UrlEncoder.Encode(open.Modulus), e = Base64UrlEncoder.Encode(open.Exponent) } });
    }

    private static string Join(object header, object claims, byte[] signature) =>
        $"{Part(header)}.{Part(claims)}.{Base64UrlEncoder.Encode(signature)}";

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
