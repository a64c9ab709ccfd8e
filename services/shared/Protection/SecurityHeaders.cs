using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;

namespace ServiceDefaults.Protection;

/// <summary>
/// What every answer tells a browser: do not guess types, do not frame, load nothing, keep nothing. An answer with an
/// entity tag may be kept by the caller alone and must be asked for again.
/// </summary>
internal static class SecurityHeaders
{
    private const string Nothing = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    // the pages of Swagger bring a script and styles of their own
    private const string Pages = "default-src 'self'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'";

    public static void UseSecurityHeaders(this WebApplication app)
    {
        var overTls = app.Configuration["Tls:TerminatedBy"] is not null;
        Func<object, Task> plain = state => Add((HttpContext)state, false), withTls = state => Add((HttpContext)state, true);
        app.Use((http, next) =>
        {
            http.Response.OnStarting(overTls ? withTls : plain, http);
            return next(http);
        });
    }

    private static Task Add(HttpContext http, bool overTls)
    {
        var headers = http.Response.Headers;
        headers.XContentTypeOptions = "nosniff";
        headers.XFrameOptions = "DENY";
        headers["Referrer-Policy"] = "no-referrer";
        headers["Cross-Origin-Resource-Policy"] = "same-origin";
        if (headers.ContentSecurityPolicy.Count == 0)
            headers.ContentSecurityPolicy = http.Request.Path.StartsWithSegments("/swagger") ? Pages : Nothing;
        if (headers.CacheControl.Count == 0)
            headers.CacheControl = headers.ETag.Count > 0 ? "private, no-cache" : "no-store";
        if (overTls)
            headers.StrictTransportSecurity = "max-age=31536000; includeSubDomains";
        return Task.CompletedTask;
    }
}
