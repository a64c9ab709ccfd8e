using System.Text.Json;
using System.Text.Json.Serialization;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <summary>Where a program finds out how to get a token, RFC 8414.</summary>
internal sealed record IssuerMetadata(
    [property: JsonPropertyName("issuer")] string Issuer,
    [property: JsonPropertyName("token_endpoint")] string TokenEndpoint,
    [property: JsonPropertyName("jwks_uri")] string JwksUri,
    [property: JsonPropertyName("response_types_supported")] IReadOnlyList<string> ResponseTypes,
    [property: JsonPropertyName("grant_types_supported")] IReadOnlyList<string> GrantTypes,
    [property: JsonPropertyName("token_endpoint_auth_methods_supported")] IReadOnlyList<string> AuthMethods,
    [property: JsonPropertyName("scopes_supported")] IReadOnlyList<string> Scopes)
{
    public static IssuerMetadata Of(string issuer) => new(issuer, issuer + "/oauth2/token", issuer + "/oauth2/jwks", [], [IssueToken.GrantType],
        ["client_secret_basic", "client_secret_post"], Clients.Scopes.All);
}

internal static class ClientRoutes
{
    public static void AddClients(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<ClientDesk>();
        services.AddSingleton<CreateClient>();
        services.AddSingleton<ReadClients>();
        services.AddSingleton<ChangeClient>();
        services.AddSingleton<RotateClientSecret>();
        services.AddSingleton<RevokeClient>();
        services.AddSingleton<ClientStanding>();
        services.AddSingleton<GuessLimits>();
        services.AddSingleton<TokenKeys>();
        services.AddSingleton<IssueToken>();
        // this service is the issuer: it reads its own table where the others ask over HTTP
        services.AddSingleton<FetchClientKeys>(s => async _ => JsonSerializer.Serialize(await s.GetRequiredService<TokenKeys>().Published(), Json.Lenient));
        services.AddSingleton<ClientStands>(s => s.GetRequiredService<ClientStanding>().Stands);
    }

    public static void Map(IEndpointRouteBuilder routes)
    {
        CreateClient.Map(routes);
        ReadClients.Map(routes);
        ChangeClient.Map(routes);
        RotateClientSecret.Map(routes);
        RevokeClient.Map(routes);
        IssueToken.Map(routes);
        routes.MapGet("/oauth2/jwks", async (HttpContext http, TokenKeys keys) =>
            {
                http.Response.Headers.CacheControl = $"public, max-age={(int)SigningKeys.Announced.TotalSeconds / 4}";
                return TypedResults.Ok(await keys.Published());
            })
            .AllowAnonymous()
            .Describe("getTokenKeys", "Clients", "The public keys that tokens of machine clients are verified with, RFC 7517.",
                "The next key stands here an hour before it signs.")
            .Produces<KeySet>().Produces<ProblemBody>(429, "application/problem+json").Produces<ProblemBody>(503, "application/problem+json");
        routes.MapGet("/.well-known/oauth-authorization-server", (ClientTokens tokens) =>
                tokens.Issuer is { } issuer ? TypedResults.Ok(IssuerMetadata.Of(issuer)) : (IResult)new ProblemResult(Problems.NotFound))
            .AllowAnonymous()
            .Describe("getTokenIssuer", "Clients", "What the issuer of machine clients' tokens can do, RFC 8414.")
            .Produces<IssuerMetadata>().Produces<ProblemBody>(404, "application/problem+json").Produces<ProblemBody>(429, "application/problem+json")
            .Example(null, IssuerMetadata.Of("https://referral.example"));
    }
}
