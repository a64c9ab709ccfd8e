using Dapper;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <summary>What is left out stays as it is.</summary>
internal sealed record ChangedClient(string? Name, IReadOnlyList<string?>? Scopes, int? PerMinute) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(Name, "/name", 100, required: false);
        NewClient.Check(checks, Scopes, PerMinute);
    }
}

/// <summary>Limits a client anew: the next token says it, and the last one under the old limit ends within five minutes.</summary>
internal sealed class ChangeClient(ClientDesk desk, Once once)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPatch("/v1/clients/{id}", (string id, HttpContext http, ChangeClient change) => change.Handle(http, id))
        .Accepts<ChangedClient>("application/json")
        .Describe("changeClient", "Clients", "Change name, scopes or limit of a machine client.",
            ClientDesk.Roles + " What is left out stays. Tokens that are out keep the old scopes and limit until they end, five minutes at most.")
        .Produces<ClientView>().RefusesLikeACommand(ifMatch: true)
        .Example(new ChangedClient(null, null, 1200), ClientView.Sample with { PerMinute = 1200 });

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (caller, body, key, refused) = await Once.Read<ChangedClient>(http);
        if (refused is not null)
            return refused;
        var (found, hidden) = await desk.Find(caller!, id, "change-client");
        if (found is null)
            return hidden!;
        return await once.Run<ClientView>(key!, async (connection, transaction) =>
        {
            var client = (await ClientDesk.Read(connection, transaction, id))!;
            if (ETags.Check(http.Request, client.Version) is { } stale)
                return stale;
            if (client.RevokedAt is not null)
                return new Problem(ClientProblems.Revoked);
            var after = client with
            {
                Name = body!.Name ?? client.Name, Scopes = body.Scopes is { } scopes ? [.. scopes.Distinct().Select(s => s!)] : client.Scopes,
                PerMinute = body.PerMinute ?? client.PerMinute, Version = client.Version + 1,
            };
            await connection.ExecuteAsync("update client set (name, scopes, per_minute, version) = (@Name, @Scopes, @PerMinute, @Version) where id = @Id",
                new { after.Name, after.Scopes, after.PerMinute, after.Version, after.Id }, transaction);
            await desk.Audit(connection, caller!, "change-client", id);
            http.Response.Headers.ETag = ETags.Of(after.Version);
            return ClientView.Of(after);
        });
    }
}
