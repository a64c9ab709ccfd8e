using System.Diagnostics;
using Microsoft.AspNetCore.Http;
using Microsoft.Net.Http.Headers;

namespace ServiceDefaults.Http;

/// <summary>The refusals every service shares. A service adds its own to the catalogue it serves.</summary>
public static class Problems
{
    public static readonly ProblemType Unauthenticated = new("unauthenticated", 401,
        new("A valid token is needed", "需要有效的令牌"),
        new("Send 'Authorization: Bearer <token>' with an unexpired token of a trusted issuer.", "请携带受信任签发方签发且未过期的令牌。"));
    public static readonly ProblemType Forbidden = new("forbidden", 403,
        new("Your role or side may not do this", "您的角色或所属一方无权执行此操作"),
        new("Ask a colleague with the right role, or the other side; available-actions lists what you may do.", "请由具备权限的同事或对方机构操作；available-actions 列出您可执行的操作。"));
    public static readonly ProblemType NotFound = new("not-found", 404,
        new("There is nothing here for you", "未找到，或您无权查看"),
        new("Check the address and the number; you see only what your institution is a party of.", "请核对地址与编号；您只能看到本机构参与的内容。"));
    public static readonly ProblemType MethodNotAllowed = new("method-not-allowed", 405,
        new("This address does not take that method", "该地址不支持此方法"),
        new("The Allow header names the methods it takes.", "请参见 Allow 响应头。"));
    public static readonly ProblemType Malformed = new("malformed-request", 400,
        new("The request cannot be read", "请求无法解析"),
        new("Mend the members that 'errors' names and send it again.", "请按 errors 中的提示修改后重新提交。"));
    public static readonly ProblemType KeyMissing = new("idempotency-key-missing", 400,
        new("An Idempotency-Key is needed", "缺少 Idempotency-Key"),
        new("Send a header Idempotency-Key with a fresh UUID, and the same one when you repeat the request.", "请在请求头中携带 Idempotency-Key（新的 UUID），重试时使用同一个值。"));
    public static readonly ProblemType KeyReused = new("idempotency-key-reused", 422,
        new("This Idempotency-Key belongs to another request", "该 Idempotency-Key 已用于其他请求"),
        new("Use a fresh key for a different request.", "不同的请求请使用新的键。"));
    public static readonly ProblemType TooLarge = new("body-too-large", 413,
        new("The body is too large", "请求体过大"),
        new("Send less; 'limit' says how many bytes are taken.", "请减小内容；limit 为允许的字节数。"));
    public static readonly ProblemType WrongMediaType = new("unsupported-media-type", 415,
        new("Send application/json in UTF-8", "请使用 UTF-8 编码的 application/json"),
        new("Set 'Content-Type: application/json' and encode the body in UTF-8 (not GBK).", "请设置 Content-Type: application/json 并使用 UTF-8（而非 GBK）编码。"));
    public static readonly ProblemType PreconditionMissing = new("if-match-missing", 428,
        new("If-Match is needed", "缺少 If-Match"),
        new("Send the ETag you last saw as If-Match, or '*' to act on whatever stands now.", "请在 If-Match 中携带最近一次看到的 ETag，或使用 * 。"));
    public static readonly ProblemType StaleEtag = new("stale-etag", 412,
        new("It has changed since you looked", "内容在您查看后已发生变化"),
        new("Fetch it again, look at what changed, and repeat with the new ETag.", "请重新获取并核对变化，然后使用新的 ETag 重试。"));
    public static readonly ProblemType LostRace = new("busy", 409,
        new("Somebody else is changing it at this moment", "其他人正在修改"),
        new("Repeat with the same Idempotency-Key.", "请使用同一 Idempotency-Key 重试。"));
    public static readonly ProblemType TooMany = new("too-many-requests", 429,
        new("Too many requests", "请求过于频繁"),
        new("Wait for Retry-After seconds.", "请在 Retry-After 秒后重试。"));
    public static readonly ProblemType Unavailable = new("unavailable", 503,
        new("The service cannot reach what it needs", "服务暂时不可用"),
        new("Wait for Retry-After seconds and repeat with the same Idempotency-Key.", "请在 Retry-After 秒后使用同一 Idempotency-Key 重试。"));
    public static readonly ProblemType StorageFull = new("storage-full", 507,
        new("The service has no room left to store this", "存储空间不足"),
        new("Nothing was stored. Tell the operator; repeat later with the same Idempotency-Key.", "未保存任何内容。请通知运维，稍后使用同一 Idempotency-Key 重试。"));
    public static readonly ProblemType Timeout = new("request-timeout", 408,
        new("The body did not arrive in time", "请求体未及时到达"),
        new("Send it again over a steadier link.", "请在网络稳定后重试。"));
    public static readonly ProblemType Internal = new("internal-error", 500,
        new("Something broke on our side", "服务内部错误"),
        new("Nothing was stored half-way. Give the traceId to the operator.", "没有保存不完整的数据。请将 traceId 提供给运维人员。"));

    public static readonly IReadOnlyList<ProblemType> Shared =
    [
        Unauthenticated, Forbidden, NotFound, MethodNotAllowed, Malformed, KeyMissing, KeyReused, TooLarge,
        WrongMediaType, PreconditionMissing, StaleEtag, LostRace, TooMany, Unavailable, StorageFull, Timeout, Internal,
    ];

    /// <summary>A malformed request with one wrong member.</summary>
    public static Problem Bad(string pointer, string en, string zh) =>
        new(Malformed) { Errors = [new(pointer, new(en, zh))] };

    /// <summary>Writes the refusal as <c>application/problem+json</c> in the caller's language.</summary>
    public static async Task Write(HttpContext http, Problem problem)
    {
        if (problem.Type == Forbidden)
            await Auditing.AuditTrail.Refused(http);
        var chinese = SpeaksChinese(http.Request);
        var type = problem.Type;
        var body = new ProblemBody(type.Uri, type.Title.In(chinese), type.Status,
            (problem.Detail ?? type.WhatToDo).In(chinese), type.Code, null,
            Activity.Current?.TraceId.ToHexString() ?? http.TraceIdentifier,
            problem.Errors.Count == 0 ? null
                : [.. problem.Errors.Select(e => new ProblemBodyError(e.Pointer, e.Detail.In(chinese)))])
        {
            More = problem.More.Count == 0 ? null : problem.More.ToDictionary(),
        };
        http.Response.StatusCode = type.Status;
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.Vary = "Accept-Language";
        http.Response.Headers.ContentLanguage = chinese ? "zh-CN" : "en";
        if (type.Status == 401)
            http.Response.Headers.WWWAuthenticate = "Bearer";
        if (problem.RetryAfter is { } seconds)
            http.Response.Headers.RetryAfter = seconds.ToString();
        await http.Response.WriteAsJsonAsync(body, Json.Lenient, "application/problem+json", http.RequestAborted);
    }

    /// <summary>True when the caller prefers Chinese to English; English is what a caller without a wish gets.</summary>
    public static bool SpeaksChinese(HttpRequest request)
    {
        var wishes = request.GetTypedHeaders().AcceptLanguage;
        if (wishes is null || wishes.Count == 0)
            return false;
        double Weight(string prefix) => wishes.Where(w => w.Value.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            .Select(w => w.Quality ?? 1).DefaultIfEmpty(0).Max();
        return Weight("zh") > Weight("en");
    }
}

/// <summary>A refusal as an answer of a minimal API.</summary>
public sealed class ProblemResult(Problem problem) : IResult, IStatusCodeHttpResult
{
    public Problem Problem => problem;
    public int? StatusCode => problem.Type.Status;

    public Task ExecuteAsync(HttpContext http) => Problems.Write(http, problem);
}
