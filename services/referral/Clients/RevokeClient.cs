using System.Collections.Concurrent;
using Dapper;
using Npgsql;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

internal sealed record Revoke : ICommand
{
    public void Check(Checks checks)
    {
    }
}

/// <summary>
/// Ends a client for good. It gets no token from this moment; one that is out is refused by this service within a
/// second, and by the others when it ends, five minutes at most.
/// </summary>
internal sealed class RevokeClient(ClientDesk desk, Once once, ClientStanding standing)
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapPost("/v1/clients/{id}/revoke", (string id, HttpContext http, RevokeClient revoke) => revoke.Handle(http, id))
        .Describe("revokeClient", "Clients", "Revoke a machine client for good.",
            ClientDesk.Roles + " No token from now on; the referral service refuses those that are out within a second, the others until they end: five minutes at most. Once more changes nothing.")
        .Produces<ClientView>().RefusesLikeACommand(more: 412)
        .Example(null, ClientView.Sample with { State = ClientState.Revoked, RevokedAt = ClientView.Sample.CreatedAt.AddDays(30) });

    private async Task<IResult> Handle(HttpContext http, string id)
    {
        var (caller, _, key, refused) = await Once.Read<Revoke>(http, optional: true);
        if (refused is not null)
            return refused;
        var (found, hidden) = await desk.Find(caller!, id, "revoke-client");
        if (found is null)
            return hidden!;
        var answer = await once.Run<ClientView>(key!, async (connection, transaction) =>
        {
            var client = (await ClientDesk.Read(connection, transaction, id))!;
            if (http.Request.Headers.IfMatch.Count > 0 && ETags.Check(http.Request, client.Version) is { } stale)
                return stale;
            if (client.RevokedAt is not null)
                return ClientView.Of(client);
            var after = client with { Version = client.Version + 1, RevokedAt = once.Now };
            await connection.ExecuteAsync("""
                delete from client_secret where client_id = @Id;
                update client set (version, revoked_at) = (@Version, @RevokedAt) where id = @Id;
                """, new { after.Id, after.Version, after.RevokedAt }, transaction);
            await desk.Audit(connection, caller!, "revoke-client", id);
            http.Response.Headers.ETag = ETags.Of(after.Version);
            return ClientView.Of(after);
        });
        standing.Forget(id);
        return answer;
    }
}

/// <summary>Whether a client still stands, looked up once a second for each that asks.</summary>
internal sealed class ClientStanding(NpgsqlDataSource database)
{
    private const int Most = 10_000;
    private static readonly TimeSpan For = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, (bool Stands, long Until)> _known = new(StringComparer.Ordinal);

    public async ValueTask<bool> Stands(string id)
    {
        // the machine's own clock, which nobody turns back
        if (_known.TryGetValue(id, out var known) && Environment.TickCount64 < known.Until)
            return known.Stands;
        await using var connection = await database.OpenConnectionAsync();
        var stands = await connection.ExecuteScalarAsync<bool>("select exists (select from client where id = @id and revoked_at is null)", new { id });
        if (_known.Count >= Most)
            _known.Clear();
        _known[id] = (stands, Environment.TickCount64 + (long)For.TotalMilliseconds);
        return stands;
    }

    public void Forget(string id) => _known.TryRemove(id, out _);
}
