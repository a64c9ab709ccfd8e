using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>Signs RS256 tokens as the local development issuer, with the claims of <c>deploy/token</c>.</summary>
internal sealed class Tokens : IDisposable
{
    private static readonly TimeSpan GoodFor = TimeSpan.FromHours(1);

    private readonly RSA _key = RSA.Create();
    private readonly string _head;
    private readonly Dictionary<Actor, string> _signed = [];
    private readonly Lock _gate = new();

    public Tokens(string keyFile)
    {
        try
        {
            _key.ImportFromPem(File.ReadAllText(keyFile));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or CryptographicException)
        {
            throw new WalkFailed($"The issuer's key {keyFile} cannot be used: it must be a readable RSA private key in PEM.");
        }
        var kid = Convert.ToHexStringLower(SHA256.HashData(_key.ExportSubjectPublicKeyInfo()))[..16];
        _head = Encode(new JsonObject { ["alg"] = "RS256", ["typ"] = "JWT", ["kid"] = kid });
    }

    /// <summary>One token per actor, for as long as the walk may take.</summary>
    public string Of(Actor actor)
    {
        lock (_gate)
            return _signed.TryGetValue(actor, out var known) ? known : _signed[actor] = Sign(actor);
    }

    private string Sign(Actor actor)
    {
        var now = DateTimeOffset.UtcNow;
        var claims = new JsonObject
        {
            ["iss"] = "https://issuer.referral.local", ["aud"] = "referral", ["sub"] = actor.Subject,
            ["iat"] = now.ToUnixTimeSeconds(), ["nbf"] = now.ToUnixTimeSeconds(), ["exp"] = (now + GoodFor).ToUnixTimeSeconds(),
            ["jti"] = RandomNumberGenerator.GetHexString(32, lowercase: true),
            ["institution"] = actor.Institution, ["role"] = actor.Role, ["purpose"] = "TREATMENT",
        };
        var content = $"{_head}.{Encode(claims)}";
        var signature = _key.SignData(Encoding.ASCII.GetBytes(content), HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return $"{content}.{Base64Url.EncodeToString(signature)}";
    }

    private static string Encode(JsonObject json) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(json.ToJsonString()));

    public void Dispose() => _key.Dispose();
}
