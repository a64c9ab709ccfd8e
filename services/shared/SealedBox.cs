using System.Security.Cryptography;
using System.Text;

namespace ServiceDefaults;

/// <summary>
/// A text that one service encrypts so that only the holder of a private key can open it: ECDH over P-256 with a fresh
/// key each time, HKDF-SHA-256, AES-256-GCM. The context is bound to it: a box taken elsewhere does not open.
/// </summary>
public static class SealedBox
{
    private const int TagSize = 16;
    // every box has a key of its own, so that one nonce is enough
    private static readonly byte[] Nonce = new byte[12];

    public static byte[] Seal(string publicKeyPem, string context, string text)
    {
        using var recipient = ECDiffieHellman.Create();
        recipient.ImportFromPem(publicKeyPem);
        using var once = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        var head = once.ExportSubjectPublicKeyInfo();
        var plain = Encoding.UTF8.GetBytes(text);
        var box = new byte[1 + head.Length + TagSize + plain.Length];
        box[0] = checked((byte)head.Length);
        head.CopyTo(box, 1);
        var rest = box.AsSpan(1 + head.Length);
        using var aes = new AesGcm(KeyOf(once, recipient.PublicKey, head), TagSize);
        aes.Encrypt(Nonce, plain, rest[TagSize..], rest[..TagSize], Encoding.UTF8.GetBytes(context));
        return box;
    }

    /// <exception cref="CryptographicException">The box is not for this key, or not for this context.</exception>
    public static string Open(string privateKeyPem, string context, byte[] box)
    {
        if (box.Length < 1 || box.Length < 1 + box[0] + TagSize)
            throw new CryptographicException("This is no sealed box.");
        using var recipient = ECDiffieHellman.Create();
        recipient.ImportFromPem(privateKeyPem);
        var head = box[1..(1 + box[0])];
        using var once = ECDiffieHellman.Create();
        once.ImportSubjectPublicKeyInfo(head, out _);
        if (once.KeySize != recipient.KeySize)
            throw new CryptographicException("This box was sealed on another curve.");
        var rest = box.AsSpan(1 + head.Length);
        var plain = new byte[rest.Length - TagSize];
        using var aes = new AesGcm(KeyOf(recipient, once.PublicKey, head), TagSize);
        aes.Decrypt(Nonce, rest[TagSize..], rest[..TagSize], plain, Encoding.UTF8.GetBytes(context));
        return Encoding.UTF8.GetString(plain);
    }

    private static byte[] KeyOf(ECDiffieHellman own, ECDiffieHellmanPublicKey other, byte[] head) =>
        HKDF.DeriveKey(HashAlgorithmName.SHA256, own.DeriveRawSecretAgreement(other), 32, salt: head, info: "sealed-box"u8.ToArray());
}
