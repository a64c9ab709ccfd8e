using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

/// <param name="MessageId">The <c>webhook-id</c> of the ping; its attempts are listed under it.</param>
internal sealed record TestAnswer(Guid MessageId);

/// <summary>Sends a ping the way every message is sent: signed, retried, recorded.</summary>
internal static class TestEndpoint
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/endpoints/{id}/test", Handle)
        .Describe("testEndpoint", "Endpoints", "Send a test ping to a webhook endpoint.",
            EndpointExamples.Roles + " The ping has the type endpoint.test; what came of it stands among the attempts.")
        .Produces<TestAnswer>(202)
        .RefusesLikeACommand()
        .Example(null, """{"messageId":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a10"}""");

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, Signals signals, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read(http);
        if (command is null)
            return refusal!;
        var (caller, _, key, _) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "endpoint.test");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        var result = await Command.Once(connection, key,
            transaction => Ping(connection, transaction, caller, endpoint, clock.GetUtcNow()));
        signals.Due(endpoint.Id);
        return result;
    }

    private static async Task<Command.Outcome> Ping(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, Endpoint endpoint, DateTimeOffset now)
    {
        if (endpoint.State != EndpointState.Active)
            return endpoint.WrongState();
        var id = Guid.CreateVersion7(now);
        await connection.ExecuteAsync("""
            insert into message (id, endpoint_id, type, body, state, due_at, created_at)
            values (@id, @endpointId, @type, @body, 'Waiting', @now, @now)
            """, new
        {
            id, now,
            endpointId = endpoint.Id,
            type = NotificationEvents.Test,
            body = OwnEvents.Test(id, endpoint.Id, endpoint.Institution, now),
        }, transaction);
        await Audit.Done(connection, transaction, caller, "endpoint.test", endpoint.Id);
        return new KeptAnswer(StatusCodes.Status202Accepted, JsonSerializer.Serialize(new TestAnswer(id), Json.Lenient), null,
            $"/v1/endpoints/{endpoint.Id}/attempts");
    }
}
