using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using TestKit;

namespace Faults;

/// <summary>An OIDC issuer as a service in production meets it: discovery and keys over TLS, counted.</summary>
internal sealed class OidcIssuer : IAsyncDisposable
{
    private const string KeyId = "first";
    private readonly RSA _key = RSA.Create(2048);
    private readonly WebApplication _app;
    private int _fetches;

    private OidcIssuer(WebApplication app, string certificateFile) => (_app, CertificateFile) = (app, certificateFile);

    public string CertificateFile { get; }
    public string Address => _app.Urls.Single().Replace("127.0.0.1", "localhost");
    /// <summary>How often discovery document or keys were asked for.</summary>
    public int Fetches => Volatile.Read(ref _fetches);

    public static async Task<OidcIssuer> Open()
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        var certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, certificate.ExportCertificatePem());

        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen => listen.UseHttps(certificate)));
        builder.Logging.ClearProviders();
        var app = builder.Build();
        var issuer = new OidcIssuer(app, file);
        app.MapGet("/.well-known/openid-configuration", () =>
        {
            Interlocked.Increment(ref issuer._fetches);
            return Results.Json(new { issuer = issuer.Address, jwks_uri = issuer.Address + "/keys" });
        });
        app.MapGet("/keys", () =>
        {
            Interlocked.Increment(ref issuer._fetches);
            var parameters = issuer._key.ExportParameters(false);
            return Results.Json(new { keys = new[] { new { kty = "RSA", use = "sig", kid = KeyId, n = Base64UrlEncoder.Encode(parameters.Modulus), e = Base64UrlEncoder.Encode(parameters.Exponent) } } });
        });
        await app.StartAsync();
        return issuer;
    }

    public string Token(string institution) => new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
    {
        Issuer = Address, Audience = Issuer.Audience, Expires = DateTime.UtcNow.AddHours(1),
        Claims = new Dictionary<string, object> { ["sub"] = "dr-test", ["institution"] = institution, ["role"] = "Clinician" },
        SigningCredentials = new(new RsaSecurityKey(_key) { KeyId = KeyId }, SecurityAlgorithms.RsaSha256),
    });

    public async ValueTask DisposeAsync()
    {
        await _app.DisposeAsync();
        File.Delete(CertificateFile);
    }
}
