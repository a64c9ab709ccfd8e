using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <summary>The machine clients of an institution, revoked ones included; never a secret.</summary>
internal sealed class ReadClients(NpgsqlDataSource database, ClientDesk desk, Cursors cursors)
{
    private const int MostRows = 100;

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/clients", ([FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, ReadClients read) => read.List(http, cursor, limit))
            .Describe("listClients", "Clients", "Machine clients of the institution.", ClientDesk.Roles)
            .Produces<ClientPage>().Refuses(400, 403).Example(null, new ClientPage([ClientView.Sample], null));
        routes.MapGet("/v1/clients/{id}", (string id, HttpContext http, ReadClients read) => read.One(http, id))
            .Describe("getClient", "Clients", "One machine client.", ClientDesk.Roles)
            .Produces<ClientView>().Refuses(403, 404).Example(null, ClientView.Sample);
    }

    private async Task<IResult> One(HttpContext http, string id)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        var (client, refused) = await desk.Find(caller, id, "get-client");
        if (client is null)
            return refused!;
        http.Response.Headers.ETag = ETags.Of(client.Version);
        return TypedResults.Ok(ClientView.Of(client));
    }

    private async Task<IResult> List(HttpContext http, string? cursor, int? limit)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        if (limit is < 1 or > MostRows)
            return new ProblemResult(Problems.Bad("limit", $"1 to {MostRows}.", $"1 至 {MostRows}。"));
        var owner = desk.OwnerFor(caller);
        var list = "clients|" + owner;
        string? after = null;
        if (cursor is not null && (after = cursors.Open(list, cursor)) is null)
            return new ProblemResult(Problems.Bad("cursor", "Not a cursor of this list: start again without one.", "游标无效，请重新查询。"));
        if (owner is null)
            return new ProblemResult(Problems.Forbidden);
        var rows = limit ?? 50;
        await using var connection = await database.OpenConnectionAsync();
        var found = (await connection.QueryAsync<Client>(
            "select " + Client.Columns + " from client where institution = @owner and id > @after order by id limit @most",
            new { owner, after = after ?? "", most = rows + 1 })).AsList();
        return TypedResults.Ok(new ClientPage([.. found.Take(rows).Select(c => ClientView.Of(c))], found.Count > rows ? cursors.Seal(list, found[rows - 1].Id) : null));
    }
}
