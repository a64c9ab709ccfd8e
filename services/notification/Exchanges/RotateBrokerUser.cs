using Dapper;
using Npgsql;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>
/// Gives a user of the broker a new password and closes its connections. Whoever wants no gap makes a second user,
/// changes over and revokes the first.
/// </summary>
internal static class RotateBrokerUser
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/broker-users/{id}/rotate", Handle)
        .Describe("rotateBrokerUser", "Broker users", "Replace the password of a user of the broker.",
            EndpointExamples.Roles + " The answer holds the new password, which is shown this once. The old one ends at once, with the connections made with it; the queues stay.")
        .Produces<BrokerUserAnswer>()
        .RefusesLikeACommand()
        .Example(null, BrokerExamples.WithPassword);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, BrokerManagement broker, Secrets secrets, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read(http);
        if (command is null)
            return refusal!;
        var (caller, _, key, _) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (found, notFound) = await BrokerUser.Find(connection, caller, id, "broker-user.rotate");
        if (found is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        if (!broker.IsOffered)
            return new ProblemResult(NotificationProblems.AmqpNotOffered);
        return await BrokerCommand.Once(connection, key, caller, secrets, async transaction =>
        {
            await BrokerUser.TakeTurn(connection, transaction);
            var user = await connection.QuerySingleOrDefaultAsync<BrokerUser>($"""
                update broker_user set rotated_at = @now where id = @Id and revoked_at is null
                returning {BrokerUser.Columns}
                """, new { found.Id, now = clock.GetUtcNow() }, transaction);
            if (user is null)
                return new Problem(Problems.NotFound);
            var password = BrokerUser.NewPassword();
            await broker.PrepareVirtualHost(CancellationToken.None);
            await broker.PutUser(user.Name, password, user.Institution, CancellationToken.None);
            await broker.Disconnect(user.Name, CancellationToken.None);
            await Audit.Done(connection, transaction, caller, "broker-user.rotate", user.Id);
            return BrokerCommand.Keep(StatusCodes.Status200OK, caller, secrets, user.Answer(broker, password));
        });
    }
}
