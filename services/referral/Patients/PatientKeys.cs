using System.Security.Cryptography;
using System.Text;
using ServiceDefaults;

namespace ReferralService.Patients;

/// <summary>
/// One random key per person (AES-256-GCM), wrapped by the service's key. What is written about a person is sealed
/// under it: destroying the wrapped key is erasure, and turning the service's key re-wraps without touching the rest.
/// </summary>
internal sealed class PatientKeys
{
    private const int NonceLength = 12, TagLength = 16;
    private readonly byte[] _wrapping;
    private readonly byte[] _index;

    public PatientKeys(IConfiguration configuration)
    {
        var secret = Keys.Read(configuration, "Patients:KeyFile");
        _wrapping = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: "patient-key-wrapping"u8.ToArray());
        _index = HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, 32, info: "patient-blind-index"u8.ToArray());
        KeyId = Convert.ToHexStringLower(SHA256.HashData(_wrapping))[..16];
    }

    /// <summary>Which service key wrapped a person's key.</summary>
    public string KeyId { get; }

    public byte[] NewWrappedKey() => Encrypt(_wrapping, RandomNumberGenerator.GetBytes(32));

    public byte[] Seal(byte[] wrappedKey, string text) => Encrypt(Decrypt(_wrapping, wrappedKey), Encoding.UTF8.GetBytes(text));

    public string Open(byte[] wrappedKey, byte[] @sealed) => Encoding.UTF8.GetString(Decrypt(Decrypt(_wrapping, wrappedKey), @sealed));

    public byte[] SealBytes(byte[] wrappedKey, byte[] content) => Encrypt(Decrypt(_wrapping, wrappedKey), content);

    public byte[] OpenBytes(byte[] wrappedKey, byte[] @sealed) => Decrypt(Decrypt(_wrapping, wrappedKey), @sealed);

    /// <summary>Keyed hash of an identity: the same person gives the same value, and nothing else can be learned.</summary>
    public byte[]? Index(Identity? identity) =>
        identity?.IndexText is { } text ? HMACSHA256.HashData(_index, Encoding.UTF8.GetBytes(text)) : null;

    private static byte[] Encrypt(byte[] key, byte[] plain)
    {
        var output = new byte[NonceLength + plain.Length + TagLength];
        var nonce = output.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagLength);
        aes.Encrypt(nonce, plain, output.AsSpan(NonceLength, plain.Length), output.AsSpan(NonceLength + plain.Length));
        return output;
    }

    private static byte[] Decrypt(byte[] key, byte[] input)
    {
        var plain = new byte[input.Length - NonceLength - TagLength];
        using var aes = new AesGcm(key, TagLength);
        aes.Decrypt(input.AsSpan(0, NonceLength), input.AsSpan(NonceLength, plain.Length), input.AsSpan(NonceLength + plain.Length), plain);
        return plain;
    }
}
