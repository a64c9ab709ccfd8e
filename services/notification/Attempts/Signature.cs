using System.Security.Cryptography;
using System.Text;

namespace NotificationService;

/// <summary>
/// The signature of Standard Webhooks 1.0: HMAC-SHA-256 over <c>id.timestamp.body</c>, base64, one per valid secret.
/// See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
/// </summary>
internal static class Signature
{
    public const string Id = "webhook-id", Timestamp = "webhook-timestamp", Header = "webhook-signature";

    public static string Of(string id, long timestamp, string body, IEnumerable<byte[]> keys)
    {
        var signed = Encoding.UTF8.GetBytes($"{id}.{timestamp}.{body}");
        return string.Join(' ', keys.Select(key => "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, signed))));
    }
}
