using System.Security.Cryptography;
using System.Text;
using ServiceDefaults;

namespace NotificationService;

/// <summary>Signing secrets: shown once, stored encrypted (AES-256-GCM) with a key that is not in the database.</summary>
internal sealed class Secrets(Keys keys)
{
    private const string Prefix = "whsec_";
    private const int NonceSize = 12, TagSize = 16;

    private readonly byte[] _key = keys.For("webhook-secret");

    /// <summary>32 random bytes in the form of Standard Webhooks.</summary>
    public static string New() => Prefix + Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));

    /// <summary>The key that <c>whsec_…</c> stands for.</summary>
    public static byte[] KeyOf(string secret) => Convert.FromBase64String(secret[Prefix.Length..]);

    /// <summary>Encrypts a text so that it opens only for the same owner.</summary>
    public byte[] Seal(string owner, string text)
    {
        var plain = Encoding.UTF8.GetBytes(text);
        var box = new byte[NonceSize + TagSize + plain.Length];
        RandomNumberGenerator.Fill(box.AsSpan(0, NonceSize));
        using var aes = new AesGcm(_key, TagSize);
        aes.Encrypt(box.AsSpan(0, NonceSize), plain, box.AsSpan(NonceSize + TagSize), box.AsSpan(NonceSize, TagSize), Encoding.UTF8.GetBytes(owner));
        return box;
    }

    public string Open(string owner, byte[] box)
    {
        var plain = new byte[box.Length - NonceSize - TagSize];
        using var aes = new AesGcm(_key, TagSize);
        aes.Decrypt(box.AsSpan(0, NonceSize), box.AsSpan(NonceSize + TagSize), box.AsSpan(NonceSize, TagSize), plain, Encoding.UTF8.GetBytes(owner));
        return Encoding.UTF8.GetString(plain);
    }
}
