using System.Security.Cryptography;
using ServiceDefaults;

namespace ReferralService;

/// <summary>What the service keeps for itself and nobody reads in its database: AES-256-GCM under a key for the purpose.</summary>
internal static class KeyedSeal
{
    private const int NonceLength = 12, TagLength = 16;

    public static byte[] Seal(this Keys keys, string purpose, byte[] plain)
    {
        var output = new byte[NonceLength + plain.Length + TagLength];
        RandomNumberGenerator.Fill(output.AsSpan(0, NonceLength));
        using var aes = new AesGcm(keys.For(purpose), TagLength);
        aes.Encrypt(output.AsSpan(0, NonceLength), plain, output.AsSpan(NonceLength, plain.Length), output.AsSpan(NonceLength + plain.Length));
        return output;
    }

    public static byte[] Open(this Keys keys, string purpose, byte[] input)
    {
        var plain = new byte[input.Length - NonceLength - TagLength];
        using var aes = new AesGcm(keys.For(purpose), TagLength);
        aes.Decrypt(input.AsSpan(0, NonceLength), input.AsSpan(NonceLength, plain.Length), input.AsSpan(NonceLength + plain.Length), plain);
        return plain;
    }
}
