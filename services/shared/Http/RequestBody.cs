using System.Buffers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;

namespace ServiceDefaults.Http;

/// <summary>A body that was read: the value, or why not, and the bytes an idempotency fingerprint is made of.</summary>
public readonly record struct ReadBody<T>(T? Value, Problem? Problem, byte[] Bytes);

/// <summary>Reads a command's JSON strictly, and says what is wrong with it by JSON Pointer.</summary>
public static class RequestBody
{
    /// <summary>Largest JSON body in bytes; attachments have a route and a limit of their own.</summary>
    public const int Limit = 256 * 1024;

    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>
    /// 415 for anything but UTF-8 JSON, 413 above <see cref="Limit"/>, 400 with pointers for what does not fit
    /// <typeparamref name="T"/>. An absent body counts as <c>{}</c> when <paramref name="optional"/>.
    /// </summary>
    public static async ValueTask<ReadBody<T>> Read<T>(HttpContext http, bool optional = false) where T : class
    {
        var request = http.Request;
        if (request.ContentLength > Limit)
            return Refuse<T>(TooLarge());

        byte[] bytes;
        try
        {
            bytes = await ReadBytes(request, http.RequestAborted);
        }
        catch (BadHttpRequestException e)
        {
            return Refuse<T>(e.StatusCode switch
            {
                413 => TooLarge(),
                408 => Problems.Timeout,
                _ => Problems.Bad("", "The body could not be read as it was sent.", "请求体无法读取。"),
            });
        }
        if (bytes.Length > Limit)
            return Refuse<T>(TooLarge());
        if (bytes.Length == 0 && optional)
            bytes = "{}"u8.ToArray();
        else if (!IsUtf8Json(request))
            return Refuse<T>(Problems.WrongMediaType);
        if (bytes.Length == 0)
            return Refuse<T>(Problems.Bad("", "A JSON object is needed.", "请求体必须是 JSON 对象。"));

        try
        {
            Utf8.GetCharCount(bytes);
            var value = JsonSerializer.Deserialize<T>(bytes, Json.Strict);
            return value is null
                ? Refuse<T>(Problems.Bad("", "A JSON object is needed.", "请求体必须是 JSON 对象。"))
                : new(value, null, bytes);
        }
        catch (DecoderFallbackException)
        {
            return Refuse<T>(Problems.Bad("", "The body is not valid UTF-8.", "请求体不是有效的 UTF-8。"));
        }
        catch (JsonException e)
        {
            return Refuse<T>(Explain(e));
        }
        catch (InvalidOperationException)
        {
            // Utf8JsonReader's way to refuse half a surrogate pair
            return Refuse<T>(Problems.Bad("", "A text holds half a surrogate pair.", "文本包含不完整的代理对。"));
        }
    }

    private static ReadBody<T> Refuse<T>(Problem problem) => new(default, problem, []);

    private static Problem TooLarge() => new(Problems.TooLarge) { More = new Dictionary<string, object?> { ["limit"] = Limit } };

    private static bool IsUtf8Json(HttpRequest request)
    {
        var type = request.GetTypedHeaders().ContentType;
        if (type is null || !type.MediaType.Equals("application/json", StringComparison.OrdinalIgnoreCase))
            return false;
        return !type.Charset.HasValue || type.Charset.Equals("utf-8", StringComparison.OrdinalIgnoreCase)
            || type.Charset.Equals("\"utf-8\"", StringComparison.OrdinalIgnoreCase);
    }

    private static async ValueTask<byte[]> ReadBytes(HttpRequest request, CancellationToken ct)
    {
        var reader = request.BodyReader;
        while (true)
        {
            var read = await reader.ReadAsync(ct);
            if (read.IsCompleted || read.Buffer.Length > Limit)
            {
                var bytes = read.Buffer.ToArray();
                reader.AdvanceTo(read.Buffer.End);
                return bytes;
            }
            reader.AdvanceTo(read.Buffer.Start, read.Buffer.End);
        }
    }

    // The serializer's own message may quote the value: only its kind of complaint is passed on.
    private static Problem Explain(JsonException e)
    {
        var pointer = Pointer(e.Path);
        var text = e.Message;
        if (text.Contains("could not be mapped", StringComparison.Ordinal))
            return Problems.Bad(pointer, "This member is not known here.", "未知的成员。");
        if (text.Contains("Duplicate", StringComparison.OrdinalIgnoreCase))
            return Problems.Bad(pointer, "This member stands twice.", "成员重复。");
        if (text.Contains("maximum", StringComparison.Ordinal) && text.Contains("depth", StringComparison.Ordinal))
            return Problems.Bad(pointer, "Nested too deeply.", "嵌套过深。");
        if (text.Contains(Json.Unusable, StringComparison.Ordinal))
            return Problems.Bad(pointer, "A control character is not allowed here.", "不允许控制字符。");
        if (text.Contains(Json.NoOffset, StringComparison.Ordinal))
            return Problems.Bad(pointer, "A time with an offset is needed, e.g. 2026-03-01T09:30:00+08:00.", "需要带时区的时间，例如 2026-03-01T09:30:00+08:00。");
        if (e.InnerException is InvalidOperationException)
            return Problems.Bad(pointer, "A text holds half a surrogate pair.", "文本包含不完整的代理对。");
        return string.IsNullOrEmpty(pointer) || pointer == "/"
            ? Problems.Bad("", "The body is not well-formed JSON of this shape.", "请求体不是符合要求的 JSON。")
            : Problems.Bad(pointer, "This does not have the expected type or is not one of the allowed values.", "类型不符或不在允许的取值范围内。");
    }

    /// <summary>
    /// JSON Path of the serializer (<c>$.patient.name</c>, <c>$.a[0]</c>) as a JSON Pointer. What stands where a name belongs
    /// and could be none of ours may be somebody's: the pointer ends before it.
    /// </summary>
    internal static string Pointer(string? path)
    {
        if (path is null || path.Length < 2)
            return "";
        var pointer = new StringBuilder();
        for (var i = 1; i < path.Length;)
        {
            if (path[i] == '.')
            {
                var end = path.IndexOfAny(['.', '['], i + 1);
                end = end < 0 ? path.Length : end;
                if (!Append(path[(i + 1)..end], isName: true))
                    break;
                i = end;
            }
            else
            {
                var quoted = path.AsSpan(i).StartsWith("['");
                var end = path.IndexOf(quoted ? "']" : "]", i, StringComparison.Ordinal);
                if (end < 0)
                    break;
                if (!Append(quoted ? path[(i + 2)..end] : path[(i + 1)..end], isName: quoted))
                    break;
                i = end + (quoted ? 2 : 1);
            }
        }
        return pointer.ToString();

        bool Append(string part, bool isName)
        {
            if (isName && (part.Length is 0 or > 64 || !char.IsAsciiLetter(part[0]) || !part.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-')))
                return false;
            pointer.Append('/').Append(part);
            return true;
        }
    }
}
