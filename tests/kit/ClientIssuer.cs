using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace TestKit;

/// <summary>The issuer of machine clients as scheduling and notification meet it: its keys over HTTP, counted.</summary>
public sealed class ClientIssuer : IDisposable
{
    public const string Name = "https://clients.test";
    private static readonly Lazy<ClientIssuer> One = new(() => new());
    private readonly WebApplication _app;
    private int _fetches;

    private ClientIssuer()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        builder.Logging.ClearProviders();
        _app = builder.Build();
        _app.MapGet("/oauth2/jwks", () =>
        {
            Interlocked.Increment(ref _fetches);
            return Results.Json(new { keys = new[] { PublicKey } });
        });
        _app.StartAsync().GetAwaiter().GetResult();
    }

    public static ClientIssuer Shared => One.Value;

    public ECDsa Key { get; } = ECDsa.Create(ECCurve.NamedCurves.nistP256);
    public const string Kid = "clients-1";
    public string KeysAddress => _app.Urls.Single() + "/oauth2/jwks";
    /// <summary>How often the keys were asked for.</summary>
    public int Fetches => Volatile.Read(ref _fetches);

    private object PublicKey
    {
        get
        {
            var open = Key.ExportParameters(false);
            return new { kty = "EC", crv = "P-256", use = "sig", alg = "ES256", kid = Kid, x = Base64UrlEncoder.Encode(open.Q.X), y = Base64UrlEncoder.Encode(open.Q.Y) };
        }
    }

    /// <summary>Any claims under the issuer's key, or under another one that says it is.</summary>
    public string Signed(IReadOnlyDictionary<string, object> claims, string type = "at+jwt", string kid = Kid, ECDsa? key = null)
    {
        var text = $"{Part(new { alg = "ES256", kid, typ = type })}.{Part(claims)}";
        return $"{text}.{Base64UrlEncoder.Encode((key ?? Key).SignData(Encoding.ASCII.GetBytes(text), HashAlgorithmName.SHA256))}";
    }

    /// <summary>What the issuer says of a client that may read everywhere.</summary>
    public static Dictionary<string, object> Claims(string institution, string id = "mc-0123456789abcdef01234567", int limit = 600, int seconds = 300,
        string scope = "referral.read scheduling.read notification.read")
    {
        var now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        return new()
        {
            ["iss"] = Name, ["aud"] = Issuer.Audience, ["sub"] = id, ["client_id"] = id, ["institution"] = institution, ["role"] = "Machine",
            ["scope"] = scope, ["limit"] = limit, ["iat"] = now - 1, ["nbf"] = now - 1, ["exp"] = now + seconds, ["jti"] = Guid.NewGuid().ToString(),
        };
    }

    private static string Part(object value) => Base64UrlEncoder.Encode(JsonSerializer.SerializeToUtf8Bytes(value));

    public void Dispose() => _app.DisposeAsync().AsTask().GetAwaiter().GetResult();
}
