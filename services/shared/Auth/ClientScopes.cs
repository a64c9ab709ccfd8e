using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Http;
using ServiceDefaults.Http;

namespace ServiceDefaults.Auth;

/// <summary>
/// A machine client does in each service what its scopes name: <c>SERVICE.read</c> to look (GET), <c>SERVICE.write</c>
/// for everything else. People are not asked: their roles decide.
/// </summary>
internal sealed class ClientScopes(ServiceDescription service, ClientTokens clients)
{
    public async Task Check(HttpContext http, RequestDelegate next)
    {
        if (clients.Issued(http.User) && http.GetEndpoint() is { } endpoint && endpoint.Metadata.GetMetadata<IAllowAnonymous>() is null)
        {
            var needed = $"{service.Name}.{(HttpMethods.IsGet(http.Request.Method) || HttpMethods.IsHead(http.Request.Method) ? "read" : "write")}";
            if (http.User.FindFirst("scope")?.Value.Split(' ').Contains(needed) != true)
            {
                // RFC 6750 3.1
                http.Response.Headers.WWWAuthenticate = $"Bearer error=\"insufficient_scope\", scope=\"{needed}\"";
                await Problems.Write(http, new Problem(Problems.Forbidden)
                {
                    Detail = new($"The client's token lacks the scope {needed}.", $"客户端令牌缺少权限范围 {needed}。"),
                });
                return;
            }
        }
        await next(http);
    }
}
