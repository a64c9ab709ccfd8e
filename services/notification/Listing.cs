using System.Security.Cryptography;
using System.Text.Json;
using ServiceDefaults;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>Query parameters and answers of lists.</summary>
internal static class Listing
{
    public const int DefaultLimit = 50, MostLimit = 500;

    /// <summary>The page size: capped, but never guessed from something that is no number.</summary>
    public static (int Limit, Problem? Problem) Limit(string? text) =>
        text is null ? (DefaultLimit, null)
        : int.TryParse(text, out var limit) && limit > 0 ? (Math.Min(limit, MostLimit), null)
        : (0, Problems.Bad("limit", $"A number from 1 to {MostLimit}.", $"应为 1 至 {MostLimit} 的整数。"));

    public static Problem BadCursor(string parameter) =>
        Problems.Bad(parameter, "This is not a cursor of this list: start again without one.", "不是该列表的游标，请重新查询。");

    /// <summary>The answer with a strong tag over its bytes; 304 when the caller has it already.</summary>
    public static IResult Answer<T>(HttpContext http, T body) => Bytes(http, JsonSerializer.SerializeToUtf8Bytes(body, Json.Lenient));

    public static IResult Bytes(HttpContext http, byte[] body, string? etag = null)
    {
        etag ??= $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 16))}\"";
        http.Response.Headers.ETag = etag;
        http.Response.Headers.CacheControl = "private, no-cache";
        return ETags.Unchanged(http.Request, etag)
            ? TypedResults.StatusCode(StatusCodes.Status304NotModified)
            : TypedResults.Bytes(body, "application/json; charset=utf-8");
    }

    /// <summary>Names the next page as RFC 8288 does.</summary>
    public static void LinkNext(HttpContext http, string parameter, string cursor, int limit, string filters = "") =>
        http.Response.Headers.Link = $"<{http.Request.Path}?{parameter}={Uri.EscapeDataString(cursor)}&limit={limit}{filters}>; rel=\"next\"";
}
