using System.Text.Json;
using Dapper;
using Npgsql;
using ReferralService.Alliances;
using ServiceDefaults;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <summary>
/// A token for a machine client, RFC 6749 4.4 and RFC 9068: good for five minutes, for its own institution, for what it
/// was allowed and no more. Whether the id is unknown, the secret wrong or the client revoked, no answer says.
/// </summary>
internal sealed class IssueToken(
    NpgsqlDataSource database, ClientTokens tokens, TokenKeys keys, AllianceDirectory directory, GuessLimits guesses, TimeProvider clock)
{
    public const string GrantType = "client_credentials";
    public static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(5);
    private static readonly TokenError NoClient = new("invalid_client", "No client with this id and secret.");

    private sealed record Row
    {
        public string Institution { get; init; } = "";
        public string[] Scopes { get; init; } = [];
        public int PerMinute { get; init; }
        public bool Synthetic { get; init; }
        public byte[][]? Hashes { get; init; }
    }

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/oauth2/token", (HttpContext http, IssueToken issue) => issue.Handle(http))
        .AllowAnonymous()
        .Accepts<TokenForm>("application/x-www-form-urlencoded")
        .Describe("issueToken", "Clients", "A token for a machine client: OAuth 2.0 client credentials (RFC 6749 4.4).",
            "Id and secret by HTTP Basic or in the body. 'scope' narrows what the client was allowed. 'on_behalf_of' names the clinician of the client's institution "
            + "that a clinical move is made for; it needs the scope act-for-clinicians. The token is good for five minutes: fetch the next one a minute before.")
        .Produces<TokenAnswer>().Produces<TokenError>(400).Produces<TokenError>(401)
        .Produces<ProblemBody>(404, "application/problem+json").Produces<ProblemBody>(415, "application/problem+json").Produces<ProblemBody>(429, "application/problem+json").Produces<ProblemBody>(503, "application/problem+json")
        .Example(new TokenForm(GrantType, "mc-5f0c1b7de2a94c3380aa17be", "rcs_3q2-7wfR1y0nB8sJk5mXv9ZpTtLhUeQaCdGiOoWrYbE", "referral.read", null),
            new TokenAnswer("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9…", "Bearer", 300, "referral.read"));

    private async Task<IResult> Handle(HttpContext http)
    {
        if (tokens.Issuer is null)
            return new ProblemResult(Problems.NotFound);
        // RFC 6749 5.1: nobody on the way keeps it
        http.Response.Headers.CacheControl = "no-store";
        http.Response.Headers.Pragma = "no-cache";
        var (request, malformed) = await TokenRequest.Read(http);
        if (request is null)
            return Refuse(http, malformed!);
        var address = http.Connection.RemoteIpAddress?.ToString() ?? "";
        if (!guesses.MayTry(address, request.Id))
            return new ProblemResult(new Problem(Problems.TooMany) { RetryAfter = (int)GuessLimits.Then.TotalSeconds });

        await using var connection = await database.OpenConnectionAsync();
        var now = clock.GetUtcNow();
        var row = await connection.QuerySingleOrDefaultAsync<Row>("""
            select c.institution, c.scopes, c.per_minute, c.synthetic,
                   (select array_agg(s.hash) from client_secret s where s.client_id = c.id and (s.expires_at is null or s.expires_at > @now)) as hashes
            from client c where c.id = @Id and c.revoked_at is null
            """, new { request.Id, now });
        if (!ClientSecret.Fits(request.Secret, row?.Hashes ?? []))
        {
            guesses.WasWrong(address, request.Id);
            // the row stands for known and unknown ids: neither time nor trail tells which
            await AuditTrail.Write(connection, now, Program(row is null ? "unknown" : request.Id, row?.Institution ?? "unknown"), "issue-token", denied: true);
            return Refuse(http, NoClient);
        }
        if (request.GrantType != GrantType)
            return Refuse(http, new("unsupported_grant_type", $"Only {GrantType}."));
        if (Judge(row!, request) is { } refused)
        {
            await AuditTrail.Write(connection, now, Program(request.Id, row!.Institution), "issue-token", denied: true, target: refused.Error);
            return Refuse(http, refused);
        }

        var (scope, jti) = (request.Scope ?? string.Join(' ', row!.Scopes), Guid.CreateVersion7(now).ToString());
        // RFC 9068 2.2, with the claims that every service reads of its callers
        var claims = JsonSerializer.SerializeToUtf8Bytes(new Dictionary<string, object?>
        {
            ["iss"] = tokens.Issuer, ["aud"] = tokens.Audience, ["sub"] = request.Id, ["client_id"] = request.Id, ["jti"] = jti,
            ["iat"] = now.ToUnixTimeSeconds(), ["nbf"] = now.ToUnixTimeSeconds(), ["exp"] = (now + Lifetime).ToUnixTimeSeconds(),
            ["institution"] = row!.Institution, ["role"] = nameof(Role.Machine), ["purpose"] = "TREATMENT", ["scope"] = scope, ["limit"] = row.PerMinute,
            ["synthetic"] = row.Synthetic, ["onBehalfOf"] = request.OnBehalfOf,
        }.Where(c => c.Value is not null).ToDictionary(), Json.Lenient);
        var token = await keys.Sign(claims, ClientTokens.Type);
        await AuditTrail.Write(connection, now, Program(request.Id, row.Institution) with { OnBehalfOf = request.OnBehalfOf }, "issue-token", denied: false, target: jti);
        await connection.ExecuteAsync("update client set last_token_at = @now where id = @Id and (last_token_at is null or last_token_at < @now - interval '1 minute')", new { request.Id, now });
        return TypedResults.Ok(new TokenAnswer(token, "Bearer", (int)Lifetime.TotalSeconds, scope));
    }

    private TokenError? Judge(Row client, TokenRequest request)
    {
        // what was tried out in the sandbox opens nothing once the institution is a real one, and never the other way round
        if (directory.Current.Find(client.Institution) is not { } institution || institution.Code != client.Institution || institution.Synthetic != client.Synthetic)
            return new("unauthorized_client", "The institution has left the sandbox, or gone into it, since the client was made: create another client.");
        var asked = request.Scope?.Split(' ') ?? client.Scopes;
        if (asked.Except(client.Scopes).Any())
            return new("invalid_scope", "The client was not allowed that much.");
        if (request.OnBehalfOf is not { } clinician)
            return null;
        if (!asked.Contains(Scopes.ActForClinicians))
            return new("invalid_scope", $"on_behalf_of needs the scope {Scopes.ActForClinicians}.");
        return directory.Current.WorksAt(clinician, client.Institution) ? null : new("invalid_request", "on_behalf_of is no clinician of the client's institution.");
    }

    private static Caller Program(string id, string institution) => new(id, institution, Role.Machine, null, "TREATMENT", null);

    private static IResult Refuse(HttpContext http, TokenError error)
    {
        if (error.Error != "invalid_client")
            return TypedResults.Json(error, Json.Lenient, statusCode: 400);
        http.Response.Headers.WWWAuthenticate = "Basic realm=\"referral\"";
        return TypedResults.Json(error, Json.Lenient, statusCode: 401);
    }
}
