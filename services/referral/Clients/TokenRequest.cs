using System.Net;
using System.Text;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Http.Features;

namespace ReferralService.Clients;

/// <summary>RFC 6749 4.4.2, and whom the client acts for.</summary>
internal sealed record TokenForm(
    [property: JsonPropertyName("grant_type")] string GrantType,
    [property: JsonPropertyName("client_id")] string? ClientId,
    [property: JsonPropertyName("client_secret")] string? ClientSecret,
    [property: JsonPropertyName("scope")] string? Scope,
    [property: JsonPropertyName("on_behalf_of")] string? OnBehalfOf);

/// <summary>RFC 6749 5.1.</summary>
internal sealed record TokenAnswer(
    [property: JsonPropertyName("access_token")] string AccessToken,
    [property: JsonPropertyName("token_type")] string TokenType,
    [property: JsonPropertyName("expires_in")] int ExpiresIn,
    [property: JsonPropertyName("scope")] string Scope);

/// <summary>RFC 6749 5.2.</summary>
internal sealed record TokenError(
    [property: JsonPropertyName("error")] string Error,
    [property: JsonPropertyName("error_description")] string Description);

/// <summary>A request for a token, read as RFC 6749 writes it: each parameter once, the secret in one place.</summary>
internal sealed record TokenRequest(string Id, string Secret, string GrantType, string? Scope, string? OnBehalfOf)
{
    private const int LongestValue = 2048;
    private static readonly FormOptions Limits = new() { ValueCountLimit = 16, KeyLengthLimit = 64, ValueLengthLimit = LongestValue, BufferBodyLengthLimit = 16 * 1024 };

    public static async Task<(TokenRequest? Request, TokenError? Error)> Read(HttpContext http)
    {
        if (!http.Request.HasFormContentType)
            return (null, new("invalid_request", "Send application/x-www-form-urlencoded."));
        IFormCollection form;
        try
        {
            form = await new FormFeature(http.Request, Limits).ReadFormAsync(http.RequestAborted);
        }
        catch (InvalidDataException)
        {
            return (null, new("invalid_request", "The form is too large."));
        }
        foreach (var (name, values) in form)
            if (values.Count > 1)
                return (null, new("invalid_request", "A parameter stands twice."));
            else if (values.ToString().Any(c => c is < ' ' or > '~') || name.Any(c => c is < ' ' or > '~'))
                return (null, new("invalid_request", "Visible ASCII only."));

        string? Value(string name) => form[name] is [{ Length: > 0 } value] ? value : null;
        var basic = Basic(http.Request.Headers.Authorization);
        if (http.Request.Headers.Authorization.Count > 0 && basic is null)
            return (null, new("invalid_client", "The header Authorization is not HTTP Basic with client id and secret."));
        if (basic is not null && (Value("client_secret") is not null || Value("client_id") is { } also && also != basic.Value.Id))
            return (null, new("invalid_request", "Client id and secret belong in the header or in the body, not in both."));
        if (Value("grant_type") is not { } grant)
            return (null, new("invalid_request", "grant_type is missing."));
        var (id, secret) = basic ?? (Value("client_id") ?? "", Value("client_secret") ?? "");
        return (new(id, secret, grant, Value("scope"), Value("on_behalf_of")), null);
    }

    // RFC 6749 2.3.1: both halves are form-encoded before they are joined
    private static (string Id, string Secret)? Basic(string? header)
    {
        if (header is null || header.Length > LongestValue || !header.StartsWith("Basic ", StringComparison.OrdinalIgnoreCase))
            return null;
        var bytes = new byte[header.Length];
        if (!Convert.TryFromBase64String(header["Basic ".Length..].Trim(), bytes, out var length))
            return null;
        var halves = Encoding.UTF8.GetString(bytes, 0, length).Split(':', 2);
        return halves is [var id, var secret] ? (WebUtility.UrlDecode(id), WebUtility.UrlDecode(secret)) : null;
    }
}
