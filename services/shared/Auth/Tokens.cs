using System.Security.Cryptography;
using Microsoft.AspNetCore.Authentication.JwtBearer;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.IdentityModel.Protocols;
using Microsoft.IdentityModel.Protocols.OpenIdConnect;
using Microsoft.IdentityModel.Tokens;
using ServiceDefaults.Http;

namespace ServiceDefaults.Auth;

/// <summary>
/// Bearer tokens of an OIDC issuer, or of the local development issuer outside Production; and of the issuer of machine
/// clients beside it.
/// </summary>
public static class Tokens
{
    public static void AddTokens(this WebApplicationBuilder builder)
    {
        var settings = builder.Configuration.GetSection("Auth");
        var developmentKey = settings["DevelopmentKeyFile"] is { Length: > 0 } file ? file : null;
        if (developmentKey is null && settings["Authority"] is null)
            throw new InvalidOperationException("Set Auth:Authority to the OIDC issuer, or Auth:DevelopmentKeyFile in development.");

        builder.Services.TryAddSingleton(ClientKeys.OverHttp(builder.Configuration));
        builder.Services.AddSingleton<ClientKeys>();
        builder.Services.AddSingleton<ClientTokens>();
        builder.Services.AddOptions<JwtBearerOptions>(JwtBearerDefaults.AuthenticationScheme).Configure<ClientTokens>((jwt, clients) =>
        {
            jwt.TokenHandlers.Clear();
            jwt.TokenHandlers.Add(new RememberedTokens(clients) { MapInboundClaims = false });
        });
        builder.Services.AddAuthentication(JwtBearerDefaults.AuthenticationScheme).AddJwtBearer(jwt =>
        {
            jwt.IncludeErrorDetails = false;
            jwt.TokenValidationParameters = new()
            {
                ValidIssuer = settings["Issuer"] ?? settings["Authority"],
                ValidAudience = settings["Audience"] ?? "referral",
                ValidAlgorithms = ["RS256", "PS256", "ES256", "ES384"],
                ValidTypes = ["JWT", "at+jwt"],
                ClockSkew = TimeSpan.FromSeconds(30),
                RequireSignedTokens = true,
                RequireExpirationTime = true,
                NameClaimType = "sub",
                RoleClaimType = "role",
            };
            if (developmentKey is null)
            {
                jwt.Authority = settings["Authority"];
                jwt.ConfigurationManager = new ConfigurationManager<OpenIdConnectConfiguration>(
                    settings["Authority"]!.TrimEnd('/') + "/.well-known/openid-configuration", new OpenIdConnectConfigurationRetriever(),
                    new HttpDocumentRetriever { RequireHttps = builder.Environment.IsProduction() })
                {
                    // an unknown key id has them fetched again, but a flood of those only once in this time
                    RefreshInterval = TimeSpan.FromMinutes(1),
                    AutomaticRefreshInterval = TimeSpan.FromMinutes(10),
                    // what the issuer no longer publishes is no longer good: by default it would be for another hour
                    UseLastKnownGoodConfiguration = false,
                };
            }
            else
            {
                var rsa = RSA.Create();
                rsa.ImportFromPem(File.ReadAllText(developmentKey));
                jwt.TokenValidationParameters.IssuerSigningKey = new RsaSecurityKey(rsa);
                jwt.TokenValidationParameters.TryAllIssuerSigningKeys = true;
            }
            jwt.Events = new()
            {
                OnTokenValidated = async validated =>
                {
                    var services = validated.HttpContext.RequestServices;
                    if (!services.GetRequiredService<ClientTokens>().Issued(validated.Principal!))
                        return;
                    // that issuer speaks for programs: what says otherwise was signed by mistake
                    if (validated.Principal!.FindFirst("role")?.Value != nameof(Role.Machine)
                        || services.GetService<ClientStands>() is { } stands && !await stands(validated.Principal.FindFirst("sub")?.Value ?? ""))
                        validated.Fail("refused");
                },
                OnChallenge = challenge =>
                {
                    challenge.HandleResponse();
                    return Problems.Write(challenge.HttpContext, Problems.Unauthenticated);
                },
                OnForbidden = forbidden => Problems.Write(forbidden.HttpContext, Problems.Forbidden),
            };
        });
        builder.Services.AddAuthorization();
    }
}
