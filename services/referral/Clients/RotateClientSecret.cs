using Dapper;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <param name="OverlapHours">Hours for which the old secret still opens, 0 to 24; 24 when absent. 0 when it has leaked.</param>
internal sealed record RotateSecret(int? OverlapHours) : ICommand
{
    public const int Longest = 24;

    public void Check(Checks checks) => checks.That(OverlapHours is null or (>= 0 and <= Longest), "/overlapHours", "A number from 0 to 24.", "应为 0 至 24 的整数。");
}

/// <summary>
/// Gives a client a new secret. The one before it still opens for a day, so that every copy of the software changes
/// over in its own time; one before that ends at once.
/// </summary>
internal sealed class RotateClientSecret(ClientDesk desk, Once once)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/clients/{id}/rotate-secret", (string id, HttpContext http, RotateClientSecret rotate) => rotate.Handle(http, id))
        .Accepts<RotateSecret>("application/json")
        .Describe("rotateClientSecret", "Clients", "Replace the secret of a machine client.",
            ClientDesk.Roles + " The answer holds the new secret, which is shown this once. The old one opens until the overlap ends. If-Match is honoured when it is sent.")
        .Produces<ClientView>().RefusesLikeACommand(more: 412)
        .Example(new RotateSecret(24), ClientView.WithSecret);

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (caller, body, key, refused) = await Once.Read<RotateSecret>(http);
        if (refused is not null)
            return refused;
        var (found, hidden) = await desk.Find(caller!, id, "rotate-client-secret");
        if (found is null)
            return hidden!;
        return await once.Run<ClientView>(key!, async (connection, transaction) =>
        {
            var client = (await ClientDesk.Read(connection, transaction, id))!;
            if (http.Request.Headers.IfMatch.Count > 0 && ETags.Check(http.Request, client.Version) is { } stale)
                return stale;
            if (client.RevokedAt is not null)
                return new Problem(ClientProblems.Revoked);
            var secret = ClientSecret.New();
            var after = client with { Version = client.Version + 1, SecretChangedAt = once.Now };
            await connection.ExecuteAsync("""
                delete from client_secret where client_id = @Id and expires_at is not null;
                update client_secret set expires_at = @until where client_id = @Id;
                insert into client_secret (client_id, hash, created_at) values (@Id, @hash, @now);
                update client set (version, secret_changed_at) = (@Version, @now) where id = @Id;
                """, new
            {
                after.Id, after.Version, now = once.Now, until = once.Now.AddHours(body!.OverlapHours ?? RotateSecret.Longest), hash = ClientSecret.HashOf(secret),
            }, transaction);
            await desk.Audit(connection, caller!, "rotate-client-secret", id);
            http.Response.Headers.ETag = ETags.Of(after.Version);
            return ClientView.Of(after, secret);
        }, kept: desk.SealedAnswers);
    }
}
