using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;

namespace ServiceDefaults.Http;

/// <summary>Strong entity tags made of a version number.</summary>
public static class ETags
{
    public static string Of(long version) => $"\"{version}\"";

    /// <summary>Null when the precondition holds; 428 when it is missing, 412 when it names another version.</summary>
    public static Problem? Check(HttpRequest request, long version)
    {
        var header = request.Headers.IfMatch.ToString();
        if (header.Length == 0)
            return Problems.PreconditionMissing;
        if (header == "*")
            return null;
        var wanted = Of(version);
        return header.Split(',', StringSplitOptions.TrimEntries).Contains(wanted)
            ? null
            : new Problem(Problems.StaleEtag) { More = new Dictionary<string, object?> { ["etag"] = wanted } };
    }

    /// <summary>True when <c>If-None-Match</c> names this tag: the answer is 304.</summary>
    public static bool Unchanged(HttpRequest request, string etag)
    {
        var header = request.Headers.IfNoneMatch.ToString();
        return header.Length > 0 && (header == "*"
            || header.Split(',', StringSplitOptions.TrimEntries).Any(t => t == etag || t == "W/" + etag));
    }
}

/// <summary>The caller's promise that a repetition is the same request (draft-ietf-httpapi-idempotency-key-header).</summary>
/// <param name="Scope">Whose key it is: keys of two callers never meet.</param>
/// <param name="Fingerprint">SHA-256 of method, path and body.</param>
public sealed record IdempotencyKey(string Scope, string Key, byte[] Fingerprint)
{
    /// <summary>The key of a request, or 400 when it is missing or unusable.</summary>
    public static (IdempotencyKey? Key, Problem? Problem) Of(HttpRequest request, string scope, byte[] body)
    {
        var value = request.Headers["Idempotency-Key"].ToString().Trim().Trim('"');
        if (value.Length == 0)
            return (null, Problems.KeyMissing);
        if (value.Length > 128 || value.Any(c => c is < '!' or > '~'))
            return (null, Problems.Bad("Idempotency-Key", "1 to 128 visible ASCII characters.", "1 至 128 个可见 ASCII 字符。"));

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{request.Method} {request.Path}{request.QueryString}\n"));
        hash.AppendData(body);
        return (new(scope, value, hash.GetHashAndReset()), null);
    }
}
