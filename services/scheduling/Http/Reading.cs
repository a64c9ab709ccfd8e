using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using ServiceDefaults;
using ServiceDefaults.Http;

namespace SchedulingService.Http;

/// <summary>One page of a list; <paramref name="NextCursor"/> is absent on the last one.</summary>
internal sealed record Page<T>(IReadOnlyList<T> Items, string? NextCursor = null);

/// <summary>Query parameters and answers of reads.</summary>
internal static class Reading
{
    public const int DefaultLimit = 50;
    public const int MaxLimit = 200;

    public static int Limit(string? text, Checks checks)
    {
        if (text is null)
            return DefaultLimit;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit is >= 1 and <= MaxLimit)
            return limit;
        checks.Add("limit", $"A number from 1 to {MaxLimit}.", $"1 至 {MaxLimit} 的整数。");
        return DefaultLimit;
    }

    /// <summary>A time with an offset, or the given one when it is absent.</summary>
    public static DateTimeOffset Time(string? text, string name, DateTimeOffset absent, Checks checks)
    {
        if (text is null)
            return absent;
        // an unescaped plus sign of a query string arrives as a space
        if (text.Contains('T') && (text.EndsWith('Z') || text.LastIndexOfAny(['+', '-', ' ']) > text.IndexOf('T'))
            && DateTimeOffset.TryParse(text.Replace(' ', '+'), CultureInfo.InvariantCulture, DateTimeStyles.None, out var time)
            && time.UtcDateTime.Year is > 1900 and < 2200)
            return time.ToUniversalTime();
        checks.Add(name, "A time with an offset is needed, e.g. 2026-03-01T09:30:00+08:00.", "需要带时区的时间，例如 2026-03-01T09:30:00+08:00。");
        return absent;
    }

    public static DateOnly Day(string? text, string name, DateOnly absent, Checks checks)
    {
        if (text is null)
            return absent;
        if (DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) && day.Year is > 1900 and < 2200)
            return day;
        checks.Add(name, "A day is needed, e.g. 2026-03-01.", "需要日期，例如 2026-03-01。");
        return absent;
    }

    /// <summary>An institution, department or resource to filter by: a short code, taken literally.</summary>
    public static void Code(string? text, string name, Checks checks) =>
        checks.That(text is null || text.Length is > 0 and <= 40 && text.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-'),
            name, "Letters, digits, dot and hyphen only, at most 40.", "仅限字母、数字、点和连字符，最多 40 个字符。");

    /// <summary>What staff and patients read, and tell from others by looking at it: one line, and nothing of it invisible.</summary>
    public static void Label(string? text, string pointer, int max, Checks checks, bool required = true)
    {
        checks.Text(text, pointer, max, required);
        checks.That(string.IsNullOrWhiteSpace(text) || text == text.Trim() && !text.Contains("  ", StringComparison.Ordinal) && text.EnumerateRunes().All(IsSeen),
            pointer, "Single spaces at most, none around it, and nothing invisible.", "仅可含单个半角空格，首尾不得有空格，不得含不可见字符。");
    }

    private static bool IsSeen(Rune c) => c.Value == ' ' || !Rune.IsWhiteSpace(c) && !Rune.IsControl(c) && Rune.GetUnicodeCategory(c) != UnicodeCategory.Format;

    /// <summary>200 with an entity tag of the content, or 304 when the caller has it already.</summary>
    public static IResult Send<T>(HttpContext http, T value, string? etag = null)
    {
        var body = JsonSerializer.SerializeToUtf8Bytes(value, Json.Lenient);
        etag ??= $"\"{Convert.ToHexStringLower(SHA256.HashData(body).AsSpan(0, 12))}\"";
        http.Response.Headers.ETag = etag;
        http.Response.Headers.CacheControl = "private, no-cache";
        return ETags.Unchanged(http.Request, etag)
            ? Results.StatusCode(StatusCodes.Status304NotModified)
            : Results.Bytes(body, "application/json; charset=utf-8");
    }

    /// <summary>A page and, when there is more, its <c>Link: rel="next"</c>.</summary>
    public static IResult SendPage<T>(HttpContext http, IReadOnlyList<T> rows, int limit, Func<T, string> cursorOf)
    {
        if (rows.Count <= limit)
            return Send(http, new Page<T>(rows));
        var items = rows.Take(limit).ToList();
        var cursor = cursorOf(items[^1]);
        var query = http.Request.Query.Where(p => p.Key != "cursor")
            .SelectMany(p => p.Value, (p, value) => $"{Uri.EscapeDataString(p.Key)}={Uri.EscapeDataString(value ?? "")}")
            .Append("cursor=" + cursor);
        http.Response.Headers.Link = $"<{http.Request.Path}?{string.Join('&', query)}>; rel=\"next\"";
        return Send(http, new Page<T>(items, cursor));
    }
}
