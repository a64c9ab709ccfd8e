using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;

namespace ServiceDefaults.Http;

/// <summary>Opaque, signed positions of keyset lists: a changed one is refused.</summary>
public sealed class Cursors(Keys keys)
{
    private readonly byte[] _key = keys.For("cursor");

    /// <summary>A cursor for one list (its route and filters) at one position.</summary>
    public string Seal(string list, string position)
    {
        var text = Encoding.UTF8.GetBytes(position);
        return Base64Url.EncodeToString([.. Sign(list, text), .. text]);
    }

    /// <summary>The position, or null when the cursor is not one of ours for this list.</summary>
    public string? Open(string list, string cursor)
    {
        if (cursor.Length > 500 || !Base64Url.IsValid(cursor))
            return null;
        var bytes = Base64Url.DecodeFromChars(cursor);
        if (bytes.Length < 16)
            return null;
        var text = bytes[16..];
        return CryptographicOperations.FixedTimeEquals(bytes.AsSpan(0, 16), Sign(list, text))
            ? Encoding.UTF8.GetString(text)
            : null;
    }

    private byte[] Sign(string list, byte[] text) =>
        HMACSHA256.HashData(_key, (byte[])[.. Encoding.UTF8.GetBytes(list), 0, .. text])[..16];
}
