using System.Security.Cryptography;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace TestKit;

/// <summary>A development issuer with a key of this test run.</summary>
public sealed class Issuer
{
    public const string Name = "https://issuer.test";
    public const string Audience = "referral";
    private readonly RSA _key = RSA.Create(2048);

    public Issuer()
    {
        KeyFile = Path.Combine(Directory.CreateTempSubdirectory("referral-issuer-").FullName, "issuer.pub.pem");
        File.WriteAllText(KeyFile, _key.ExportSubjectPublicKeyInfoPem());
        SecretFile = Path.Combine(Path.GetDirectoryName(KeyFile)!, "secret.key");
        File.WriteAllText(SecretFile, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
    }

    public static Issuer Shared { get; } = new();

    /// <summary>File of the public key, for <c>Auth:DevelopmentKeyFile</c>.</summary>
    public string KeyFile { get; }
    /// <summary>File with 32 random bytes, for <c>Codes:KeyFile</c> and <c>Patients:KeyFile</c>.</summary>
    public string SecretFile { get; }
    public RSA Key => _key;

    /// <summary>Any claims at all under the issuer's key.</summary>
    public string Signed(IReadOnlyDictionary<string, object> claims, string algorithm, string type = "JWT") =>
        new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(System.Text.Json.JsonSerializer.Serialize(claims),
            new SigningCredentials(new RsaSecurityKey(_key), algorithm), new Dictionary<string, object> { ["typ"] = type });

    public string Token(string institution, string role = "Clinician", string subject = "dr-test",
        string? department = null, string? purpose = null, string? onBehalfOf = null,
        DateTime? expires = null, string issuer = Name, string audience = Audience)
    {
        var claims = new Dictionary<string, object> { ["sub"] = subject, ["institution"] = institution, ["role"] = role };
        if (department is not null)
            claims["department"] = department;
        if (purpose is not null)
            claims["purpose"] = purpose;
        if (onBehalfOf is not null)
            claims["onBehalfOf"] = onBehalfOf;
        var until = expires ?? DateTime.UtcNow.AddHours(8);
        return new JsonWebTokenHandler().CreateToken(new SecurityTokenDescriptor
        {
            Issuer = issuer, Audience = audience, Claims = claims, Expires = until,
            NotBefore = until.AddHours(-9), IssuedAt = until.AddHours(-9),
            SigningCredentials = new(new RsaSecurityKey(_key), SecurityAlgorithms.RsaSha256),
        });
    }
}
