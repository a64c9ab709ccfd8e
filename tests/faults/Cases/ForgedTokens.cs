using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Deployed;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using TestKit;

namespace Faults.Cases;

/// <summary>X18: tokens that are forged, old, early, somebody else's or huge open nothing, and the answer says no more than that.</summary>
internal static class ForgedTokens
{
    public static async Task Run(Scene scene)
    {
        foreach (var service in scene.Alliance.Services)
        {
            var path = service.Name switch { "referral" => "/v1/referrals?as=receiver&limit=1", "scheduling" => "/v1/slots?limit=1", _ => "/v1/events?limit=1" };
            foreach (var (what, token) in Forged())
            {
                var answer = await Ask(service, path, token);
                scene.Recorder.Heard(answer.Answer);
                scene.Same(401, answer.Answer.Status, $"{service.Name}, {what}");
                scene.Expect(answer.Challenge?.StartsWith("Bearer", StringComparison.Ordinal) == true, $"{service.Name}, {what}: no WWW-Authenticate");
                scene.Expect(!answer.Challenge?.Contains("error_description", StringComparison.Ordinal) ?? true, $"{service.Name}, {what}: the challenge tells why");
                scene.Expect(!answer.Answer.Body.Contains("expired at", StringComparison.OrdinalIgnoreCase) && !answer.Answer.Body.Contains("IDX", StringComparison.Ordinal), $"{service.Name}, {what}: the body tells why");
            }
            foreach (var (what, token) in Incomplete())
                scene.Same(403, (await Ask(service, path, token)).Answer.Status, $"{service.Name}, {what}");
            var huge = await Ask(service, path, "e" + new string('x', 1 << 20));
            scene.Expect(huge.Answer.Status is 431 or 400 or 401 or 0, $"{service.Name}, a token of a megabyte: {huge.Answer.Status}");
            scene.Same(200, (await Ask(service, path, Issuer.Shared.Token(Alliance.Tertiary))).Answer.Status, $"{service.Name}, an honest token afterwards");
        }
        await KeysAreNotFetchedPerRequest(scene);
    }

    private static IEnumerable<(string What, string Token)> Forged()
    {
        var honest = Issuer.Shared.Token(Alliance.Tertiary);
        var parts = honest.Split('.');
        string With(object header, string? payload = null) => Encoded(header) + "." + (payload ?? parts[1]);
        yield return ("no algorithm", With(new { alg = "none", typ = "JWT" }) + ".");
        yield return ("no algorithm, in capitals", With(new { alg = "NONE", typ = "JWT" }) + ".");
        yield return ("no algorithm with a signature", With(new { alg = "none", typ = "JWT" }) + "." + parts[2]);
        foreach (var key in new[] { Issuer.Shared.Key.ExportSubjectPublicKeyInfoPem(), Issuer.Shared.Key.ExportRSAPublicKeyPem(), File.ReadAllText(Issuer.Shared.KeyFile) })
        {
            var signed = With(new { alg = "HS256", typ = "JWT" });
            yield return ("the public key as a shared secret", signed + "." + Base64UrlEncoder.Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(key), Encoding.ASCII.GetBytes(signed))));
        }
        yield return ("ended an hour ago", Issuer.Shared.Token(Alliance.Tertiary, expires: DateTime.UtcNow.AddHours(-1)));
        yield return ("ended two minutes ago", Issuer.Shared.Token(Alliance.Tertiary, expires: DateTime.UtcNow.AddMinutes(-2)));
        yield return ("begins in an hour", Issuer.Shared.Token(Alliance.Tertiary, expires: DateTime.UtcNow.AddHours(10)));
        yield return ("for somebody else", Issuer.Shared.Token(Alliance.Tertiary, audience: "another-system"));
        yield return ("of another issuer", Issuer.Shared.Token(Alliance.Tertiary, issuer: "https://issuer.example"));
        yield return ("of another key", new Issuer().Token(Alliance.Tertiary));
        foreach (var kid in new[] { "../../../../etc/passwd", "' or 1=1 --", "http://127.0.0.1:1/keys", new string('k', 4000), "\0" })
            yield return ("a key id " + kid[..Math.Min(20, kid.Length)], WithKeyId(kid));
        yield return ("a changed payload", parts[0] + "." + Encoded(new { sub = "dr-test", institution = Alliance.Township, role = "AllianceOffice", iss = Issuer.Name, aud = Issuer.Audience, exp = 4102444800 }) + "." + parts[2]);
        yield return ("half a token", honest[..(honest.Length / 2)]);
        yield return ("an empty token", "");
        yield return ("dots", "..");
        yield return ("a JWE", Encoded(new { alg = "RSA-OAEP", enc = "A256GCM" }) + ".a.b.c.d");
    }

    private static IEnumerable<(string What, string Token)> Incomplete()
    {
        yield return ("no role", Signed(new() { ["sub"] = "dr-test", ["institution"] = Alliance.Tertiary }));
        yield return ("a role nobody knows", Signed(new() { ["sub"] = "dr-test", ["institution"] = Alliance.Tertiary, ["role"] = "Root" }));
        yield return ("a role by its number", Signed(new() { ["sub"] = "dr-test", ["institution"] = Alliance.Tertiary, ["role"] = "99" }));
        yield return ("no institution", Signed(new() { ["sub"] = "dr-test", ["role"] = "Clinician" }));
        yield return ("no subject", Signed(new() { ["institution"] = Alliance.Tertiary, ["role"] = "Clinician" }));
    }

    private static string Encoded(object json) => Base64UrlEncoder.Encode(JsonSerializer.Serialize(json));

    private static string Signed(Dictionary<string, object> claims, string? keyId = null, RSA? key = null) => new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
    {
        Issuer = Issuer.Name, Audience = Issuer.Audience, Claims = claims, Expires = DateTime.UtcNow.AddHours(1),
        SigningCredentials = new(new RsaSecurityKey(key ?? Issuer.Shared.Key) { KeyId = keyId }, SecurityAlgorithms.RsaSha256),
    });

    // signed by a key of the forger's own, which the id shall make the service fetch
    private static string WithKeyId(string keyId)
    {
        using var key = RSA.Create(2048);
        return Signed(new() { ["sub"] = "dr-test", ["institution"] = Alliance.Tertiary, ["role"] = "Clinician" }, keyId, key);
    }

    private static async Task<(Answer Answer, string? Challenge)> Ask(Service service, string path, string token)
    {
        string? challenge = null;
        var answer = await Load.Ask("token", 0, async () =>
        {
            var request = new HttpRequestMessage(HttpMethod.Get, path);
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
            var response = await service.Anonymous().SendAsync(request);
            challenge = response.Headers.TryGetValues("WWW-Authenticate", out var values) ? string.Join(", ", values) : null;
            return response;
        });
        return (answer, challenge);
    }

    // an OIDC issuer over TLS that counts: a flood of unknown key ids must not become a flood at the issuer
    private static async Task KeysAreNotFetchedPerRequest(Scene scene)
    {
        await using var issuer = await OidcIssuer.Open();
        var service = await scene.Alliance.Another("referral", s =>
        {
            s.Remove("Auth__DevelopmentKeyFile");
            s["Auth__Authority"] = s["Auth__Issuer"] = issuer.Address;
            s["SSL_CERT_FILE"] = issuer.CertificateFile;
        });
        const string path = "/v1/referrals?as=receiver&limit=1";
        scene.Same(200, (await Ask(service, path, issuer.Token(Alliance.Tertiary))).Answer.Status, "a token of the OIDC issuer");
        var before = issuer.Fetches;
        var flood = await Task.WhenAll(Enumerable.Range(0, scene.Pick(50, 200, 500)).Select(n => Ask(service, path, WithKeyId("unknown-" + n))));
        scene.Expect(flood.All(a => a.Answer.Status == 401), "a token with an unknown key id was taken");
        scene.Figure($"{issuer.Fetches - before} fetches of keys for {flood.Length} unknown key ids");
        scene.Expect(issuer.Fetches - before <= 4, $"{issuer.Fetches - before} fetches of keys for {flood.Length} unknown key ids");
        scene.Same(200, (await Ask(service, path, issuer.Token(Alliance.Tertiary))).Answer.Status, "a token of the OIDC issuer after the flood");
        await service.Stop();
    }
}
