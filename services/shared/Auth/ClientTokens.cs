using System.Security.Claims;
using Microsoft.Extensions.Configuration;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ServiceDefaults.Auth;

/// <summary>Whether a machine client may still be served; where nobody registers it, its tokens are good until they end.</summary>
public delegate ValueTask<bool> ClientStands(string clientId);

/// <summary>
/// Tokens of the second issuer, which speaks for machine clients and for nobody else: its keys prove nothing of
/// another issuer, and no other issuer's key proves anything of it. Off where <c>Auth:Clients:Issuer</c> is absent.
/// </summary>
public sealed class ClientTokens(IConfiguration configuration, ClientKeys keys)
{
    public const string Type = "at+jwt";
    private const string Algorithm = SecurityAlgorithms.EcdsaSha256;

    public string? Issuer { get; } = configuration["Auth:Clients:Issuer"] is { Length: > 0 } issuer ? issuer.TrimEnd('/') : null;
    public string Audience { get; } = configuration["Auth:Audience"] ?? "referral";

    /// <summary>What a token of this issuer is held against; null for a token that says it is of another one.</summary>
    internal async ValueTask<TokenValidationParameters?> ParametersFor(JsonWebToken token) =>
        Issuer is null || token.Issuer != Issuer ? null : new()
        {
            ValidIssuer = Issuer,
            ValidAudience = Audience,
            ValidAlgorithms = [Algorithm],
            ValidTypes = [Type],
            IssuerSigningKeys = await keys.For(token.Kid),
            ClockSkew = TimeSpan.FromSeconds(30),
            RequireSignedTokens = true,
            RequireExpirationTime = true,
            NameClaimType = "sub",
            RoleClaimType = "role",
        };

    /// <summary>True for a validated caller who came with a token of this issuer.</summary>
    public bool Issued(ClaimsPrincipal caller) => Issuer is not null && caller.FindFirst("iss")?.Value == Issuer;
}
