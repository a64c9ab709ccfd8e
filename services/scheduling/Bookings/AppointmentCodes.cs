using System.Security.Cryptography;
using System.Text;
using ServiceDefaults;

namespace SchedulingService.Bookings;

/// <summary>
/// The six letters a patient shows at the desk. They are kept encrypted (AES-256-GCM, bound to their booking): a hash
/// would be enough to check one, but the staff of both sides read the code out to a patient who has lost it.
/// </summary>
internal sealed class AppointmentCodes(Keys keys)
{
    // nothing that is mistaken for another on paper or over the telephone: no 0 O, 1 I L, 2 Z, 5 S, U V
    private const string Letters = "346789ABCDEFGHJKMNPQRTWXY";
    private const int Length = 6;
    private const int NonceSize = 12;
    private const int TagSize = 16;

    private readonly byte[] _key = keys.For("appointment-code-at-rest");

    public static string New() => RandomNumberGenerator.GetString(Letters, Length);

    /// <summary>What the referral service checks a shown code against; it reveals none.</summary>
    public string Hash(Guid booking, string code) => keys.Hash("appointment-code", $"{booking:n}:{code}");

    /// <summary>What a desk finds a booking by: the same letters mean nothing at another institution.</summary>
    public string Lookup(string institution, string code) => keys.Hash("appointment-code-lookup", $"{institution}:{code}");

    /// <summary>A code as somebody typed it.</summary>
    public static string Normalized(string typed) => new([.. typed.Where(char.IsAsciiLetterOrDigit).Select(char.ToUpperInvariant)]);

    public byte[] Seal(Guid booking, string code)
    {
        var text = Encoding.ASCII.GetBytes(code);
        var nonce = RandomNumberGenerator.GetBytes(NonceSize);
        var tag = new byte[TagSize];
        var cipher = new byte[text.Length];
        using var aes = new AesGcm(_key, TagSize);
        aes.Encrypt(nonce, text, cipher, tag, booking.ToByteArray());
        return [.. nonce, .. tag, .. cipher];
    }

    public string Open(Guid booking, byte[] code)
    {
        var text = new byte[code.Length - NonceSize - TagSize];
        using var aes = new AesGcm(_key, TagSize);
        aes.Decrypt(code.AsSpan(0, NonceSize), code.AsSpan(NonceSize + TagSize), code.AsSpan(NonceSize, TagSize), text, booking.ToByteArray());
        return Encoding.ASCII.GetString(text);
    }
}
