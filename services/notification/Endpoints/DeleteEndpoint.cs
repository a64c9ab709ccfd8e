using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>Deletes an endpoint: nothing more is sent, what waits for it is thrown away.</summary>
internal static class DeleteEndpoint
{
    public static void Map(IEndpointRouteBuilder app) => app.MapDelete("/endpoints/{id}", Handle)
        .Describe("deleteEndpoint", "Endpoints", "Delete a webhook endpoint.",
            EndpointExamples.Roles + " What waits for it is thrown away. If-Match is honoured when it is sent.")
        .Produces(204)
        .Refuses(403, 404, 409, 412);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, TimeProvider clock)
    {
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(noCaller!);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "endpoint.delete");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        if (http.Request.Headers.IfMatch.Count > 0 && ETags.Check(http.Request, endpoint.Version) is { } stale)
            return new ProblemResult(stale);

        await using var transaction = await connection.BeginTransactionAsync(http.RequestAborted);
        var deleted = await connection.ExecuteAsync("""
            with gone as (
                update endpoint set deleted_at = @now, version = version + 1
                where id = @Id and version = @Version and deleted_at is null
                returning id),
            replays as (
                delete from replay using gone where endpoint_id = gone.id)
            -- the secret goes at once; messages and attempts follow when the service tidies up
            delete from endpoint_secret using gone where endpoint_id = gone.id
            """, new { now = clock.GetUtcNow(), endpoint.Id, endpoint.Version }, transaction);
        if (deleted == 0)
            return new ProblemResult(Problems.LostRace);
        await Audit.Done(connection, transaction, caller, "endpoint.delete", endpoint.Id);
        await transaction.CommitAsync(http.RequestAborted);
        return TypedResults.NoContent();
    }
}
