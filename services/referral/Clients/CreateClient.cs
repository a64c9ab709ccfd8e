using Dapper;
using Npgsql;
using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <param name="Name">For people: which software it is.</param>
/// <param name="Scopes">What it may do.</param>
/// <param name="PerMinute">Requests in any minute; 600 when absent.</param>
internal sealed record NewClient(string? Name, IReadOnlyList<string?>? Scopes, int? PerMinute) : ICommand
{
    public const int MostPerMinute = 60_000;

    public void Check(Checks checks)
    {
        checks.Text(Name, "/name", 100);
        checks.Required(Scopes, "/scopes");
        Check(checks, Scopes, PerMinute);
    }

    public static void Check(Checks checks, IReadOnlyList<string?>? scopes, int? perMinute)
    {
        checks.That(scopes is null || scopes.Count > 0 && scopes.Count <= Clients.Scopes.All.Count, "/scopes", "At least one, each once.", "至少一项，且不得重复。");
        for (var i = 0; i < Math.Min(scopes?.Count ?? 0, Clients.Scopes.All.Count); i++)
            checks.That(Clients.Scopes.All.Contains(scopes![i]), $"/scopes/{i}", $"One of {string.Join(", ", Clients.Scopes.All)}.", "不是可授予的权限范围。");
        checks.That(perMinute is null or (> 0 and <= MostPerMinute), "/perMinute", $"1 to {MostPerMinute}.", $"1 至 {MostPerMinute}。");
    }
}

/// <summary>Creates a machine client for an institution and shows its secret, this once.</summary>
internal sealed class CreateClient(ClientDesk desk, ClientTokens tokens, Once once, AllianceDirectory directory)
{
    private const int Most = 20, UsualPerMinute = 600;

    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/clients", (HttpContext http, CreateClient create) => create.Handle(http))
        .Accepts<NewClient>("application/json")
        .Describe("createClient", "Clients", "Create a machine client for an institution.",
            ClientDesk.Roles + " The answer holds the secret, which is shown this once. With id and secret the client gets tokens from /oauth2/token. "
            + "A sandbox institution's client is synthetic: it acts for that institution alone and meets sandbox institutions only.")
        .Produces<ClientView>(201).RefusesLikeACommand()
        .Example(new NewClient("前阳镇卫生院 HIS", ["referral.read", "notification.read"], 600), ClientView.WithSecret);

    private async Task<IResult> Handle(HttpContext http)
    {
        var (caller, body, key, refused) = await Once.Read<NewClient>(http);
        if (refused is not null)
            return refused;
        if (desk.OwnerFor(caller!) is not { } owner || directory.Current.Find(owner) is not { } institution || institution.Code != owner)
            return new ProblemResult(Problems.Forbidden);
        return await once.Run<ClientView>(key!, async (connection, transaction) =>
        {
            if (tokens.Issuer is null)
                return new Problem(ClientProblems.NotOffered);
            var client = new Client
            {
                Id = Client.NewId(), Institution = owner, Name = body!.Name!, Scopes = [.. body.Scopes!.Distinct().Select(s => s!)],
                PerMinute = body.PerMinute ?? UsualPerMinute, Synthetic = institution.Synthetic, Version = 1, CreatedAt = once.Now, SecretChangedAt = once.Now,
            };
            var secret = ClientSecret.New();
            // one after the other for an institution: two at once must not both be the last that fits
            await connection.ExecuteAsync("select from institution where code = @Institution for update", new { client.Institution }, transaction);
            var made = await connection.ExecuteAsync("""
                with made as (
                    insert into client (id, institution, name, scopes, per_minute, synthetic, version, created_by, created_at, secret_changed_at)
                    select @Id, @Institution, @Name, @Scopes, @PerMinute, @Synthetic, @Version, @Subject, @CreatedAt, @CreatedAt
                    where (select count(*) from client where institution = @Institution and revoked_at is null) < @Most
                    returning id)
                insert into client_secret (client_id, hash, created_at) select id, @hash, @CreatedAt from made
                """, new
            {
                client.Id, client.Institution, client.Name, client.Scopes, client.PerMinute, client.Synthetic, client.Version, caller!.Subject, client.CreatedAt, Most,
                hash = ClientSecret.HashOf(secret),
            }, transaction);
            if (made == 0)
                return new Problem(ClientProblems.TooMany) { More = new Dictionary<string, object?> { ["limit"] = Most } };
            await desk.Audit(connection, caller, "create-client", client.Id);
            http.Response.Headers.ETag = ETags.Of(client.Version);
            return new Reply<ClientView>(ClientView.Of(client, secret), null, 201);
        }, c => $"/v1/clients/{c.Id}", desk.SealedAnswers);
    }
}
