using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using TestKit;

namespace ReferralService.Tests.Clients;

/// <summary>A machine client in the words of the tests.</summary>
internal sealed record Machine(string Id, string Secret)
{
    public static readonly string[] Everything =
    [
        "referral.read", "referral.write", "scheduling.read", "scheduling.write", "notification.read", "notification.write", "act-for-clinicians",
    ];

    public static async Task<Machine> New(HttpClient by, string[]? scopes = null, int perMinute = 600)
    {
        var made = await (await by.Command("/v1/clients", new { name = "HIS", scopes = scopes ?? Everything, perMinute })).Json();
        return new(made.GetProperty("id").GetString()!, made.GetProperty("secret").GetString()!);
    }

    /// <summary>One that is revoked again, so that no institution ever has too many.</summary>
    public static async Task<string> Created(ReferralHost host)
    {
        var head = host.As(ReferralHost.Township, "Head");
        foreach (var old in (await (await head.GetAsync("/v1/clients?limit=100")).Json()).GetProperty("items").EnumerateArray())
            if (old.GetProperty("state").GetString() == "Active")
                await head.Command($"/v1/clients/{old.GetProperty("id").GetString()}/revoke");
        return (await New(head)).Id;
    }

    public Task<HttpResponseMessage> Asks(HttpClient anonymous, string? scope = null, string? onBehalfOf = null, string? secret = null) =>
        anonymous.Token(new() { ["grant_type"] = "client_credentials", ["scope"] = scope, ["on_behalf_of"] = onBehalfOf }, $"{Id}:{secret ?? Secret}");

    public async Task<string> Token(HttpClient anonymous, string? scope = null, string? onBehalfOf = null) =>
        (await (await Asks(anonymous, scope, onBehalfOf)).EnsureSuccessStatusCode().Json()).GetProperty("access_token").GetString()!;
}

internal static class TokenRequests
{
    public static Task<HttpResponseMessage> Token(this HttpClient anonymous, Dictionary<string, string?> form, string? basic = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, "/oauth2/token")
        {
            Content = new FormUrlEncodedContent(form.Where(p => p.Value is not null)),
        };
        if (basic is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(basic)));
        return anonymous.SendAsync(request);
    }

    public static async Task<string> Error(this Task<HttpResponseMessage> answer) => (await (await answer).Json()).GetProperty("error").GetString()!;

    public static JsonElement Claims(string token) => JsonDocument.Parse(Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Decode(token.Split('.')[1])).RootElement;
}
