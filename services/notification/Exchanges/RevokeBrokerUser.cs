using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>Takes a user of the broker away: its connections end, its queues go.</summary>
internal static class RevokeBrokerUser
{
    public static void Map(IEndpointRouteBuilder app) => app.MapDelete("/broker-users/{id}", Handle)
        .Describe("revokeBrokerUser", "Broker users", "Revoke a user of the broker.",
            EndpointExamples.Roles + " Its connections are closed and its queues deleted. While the broker is away the user stands revoked and is taken away when it is back.")
        .Produces(204)
        .Refuses(403, 404);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, Signals signals, TimeProvider clock)
    {
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(noCaller!);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (user, notFound) = await BrokerUser.Find(connection, caller, id, "broker-user.revoke");
        if (user is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        await using var transaction = await connection.BeginTransactionAsync(http.RequestAborted);
        if (await connection.ExecuteAsync("update broker_user set revoked_at = @now where id = @Id and revoked_at is null",
                new { user.Id, now = clock.GetUtcNow() }, transaction) == 1)
            await Audit.Done(connection, transaction, caller, "broker-user.revoke", user.Id);
        await transaction.CommitAsync(http.RequestAborted);
        // the keeper does the rest, now, or when the broker is back
        signals.BrokerUsers.Wake();
        return TypedResults.NoContent();
    }
}
