using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace ReferralDemo;

/// <summary>
/// Checks a webhook as its receiver has to: HMAC-SHA-256 over <c>id.timestamp.body</c>, not older than five minutes.
/// See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
/// </summary>
internal static class Signature
{
    public const string Id = "webhook-id";
    private const string Timestamp = "webhook-timestamp", Header = "webhook-signature";
    private const string SecretPrefix = "whsec_", Version = "v1,";
    private static readonly TimeSpan Tolerance = TimeSpan.FromMinutes(5);

    public static byte[] KeyOf(string secret) => secret.StartsWith(SecretPrefix, StringComparison.Ordinal)
        ? Convert.FromBase64String(secret[SecretPrefix.Length..])
        : throw new WalkFailed("The secret of the new webhook endpoint does not begin with whsec_.");

    /// <summary>Null for a genuine webhook. While a secret is changed it carries several signatures: one must fit.</summary>
    public static string? WhatIsWrong(IHeaderDictionary headers, byte[] body, byte[] key, DateTimeOffset now)
    {
        var (id, timestamp) = (headers[Id].ToString(), headers[Timestamp].ToString());
        if (id.Length == 0 || !long.TryParse(timestamp, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds))
            return $"{Id} or {Timestamp} is missing";
        if ((now - DateTimeOffset.FromUnixTimeSeconds(seconds)).Duration() > Tolerance)
            return "its timestamp is more than five minutes away";
        byte[] signed = [.. Encoding.UTF8.GetBytes($"{id}.{timestamp}."), .. body];
        var wanted = HMACSHA256.HashData(key, signed);
        foreach (var signature in headers[Header].ToString().Split(' '))
        {
            var given = new byte[wanted.Length];
            if (signature.StartsWith(Version, StringComparison.Ordinal)
                && Convert.TryFromBase64String(signature[Version.Length..], given, out var length) && length == wanted.Length
                && CryptographicOperations.FixedTimeEquals(given, wanted))
                return null;
        }
        return "no signature fits";
    }
}
