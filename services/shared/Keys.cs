using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Configuration;
using ServiceDefaults.Protection;

namespace ServiceDefaults;

/// <summary>Keys for codes and cursors, each derived for its purpose (HKDF-SHA-256) from one secret file.</summary>
public sealed class Keys
{
    private readonly byte[] _secret;

    public Keys(IConfiguration configuration) => _secret = Read(configuration, "Codes:KeyFile");

    public byte[] For(string purpose) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, _secret, 32, info: Encoding.UTF8.GetBytes(purpose));

    /// <summary>Keyed hash, base64: equal texts give equal hashes and nothing else can be learned from one.</summary>
    public string Hash(string purpose, string text) =>
        Convert.ToBase64String(HMACSHA256.HashData(For(purpose), Encoding.UTF8.GetBytes(text)));

    /// <summary>A base64 secret of at least 32 bytes out of the file that a setting names.</summary>
    public static byte[] Read(IConfiguration configuration, string setting)
    {
        var file = configuration[setting] ?? throw new MissingSetting($"Setting {setting} is missing: it names a file with 32 random bytes in base64.");
        var secret = Convert.FromBase64String(File.ReadAllText(file).Trim());
        return secret.Length >= 32 ? secret : throw new InvalidOperationException($"The key in {setting} is shorter than 32 bytes.");
    }
}
