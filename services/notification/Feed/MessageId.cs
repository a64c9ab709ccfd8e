using System.Security.Cryptography;

namespace NotificationService;

/// <summary>
/// The id of an event's message to an endpoint, and so its <c>webhook-id</c>: the same whenever it is made, so that a
/// replay can neither double a message nor give it another id.
/// </summary>
internal static class MessageId
{
    public static Guid Of(Guid eventId, Guid endpoint)
    {
        Span<byte> both = stackalloc byte[32];
        eventId.TryWriteBytes(both[..16], bigEndian: true, out _);
        endpoint.TryWriteBytes(both[16..], bigEndian: true, out _);
        Span<byte> hash = stackalloc byte[32];
        SHA256.HashData(both, hash);
        // the event's own time in front, as in a UUID of version 7: neighbours lie together in the index
        both[..6].CopyTo(hash);
        hash[6] = (byte)(hash[6] & 0x0F | 0x70);
        hash[8] = (byte)(hash[8] & 0x3F | 0x80);
        return new(hash[..16], bigEndian: true);
    }
}
