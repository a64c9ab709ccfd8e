using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

/// <summary>Sends one message once more, whatever became of it, under the same <c>webhook-id</c>.</summary>
internal static class ResendMessage
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/endpoints/{id}/messages/{message}/resend", Handle)
        .Describe("resendMessage", "Attempts", "Send one message again.",
            EndpointExamples.Roles + " It is due at once, with the schedule of a new message and the webhook-id it had.")
        .Produces<TestAnswer>(202)
        .RefusesLikeACommand()
        .Example(null, """{"messageId":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a10"}""");

    private static async Task<IResult> Handle(HttpContext http, string id, string message, NpgsqlDataSource database, Signals signals, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read(http);
        if (command is null)
            return refusal!;
        var (caller, _, key, _) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "message.resend");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        if (!Guid.TryParse(message, out var messageId))
            return new ProblemResult(Problems.NotFound);
        var result = await Command.Once(connection, key, transaction => Resend(connection, transaction, caller, endpoint, messageId, clock.GetUtcNow()));
        signals.Due(endpoint.Id);
        return result;
    }

    private static async Task<Command.Outcome> Resend(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, Endpoint endpoint, Guid message, DateTimeOffset now)
    {
        if (endpoint.State == EndpointState.Disabled)
            return endpoint.WrongState();
        var found = await connection.ExecuteAsync("""
            update message
            -- an attempt that is under way keeps its lease
            set state = 'Waiting', ended_at = null, step = 0, due_at = @now, hurried_at = null
            where id = @message and endpoint_id = @Id
            """, new { message, endpoint.Id, now }, transaction);
        if (found == 0)
            return new Problem(Problems.NotFound);
        await Followers.ComeWith(connection, transaction, message);
        await Audit.Done(connection, transaction, caller, "message.resend", message);
        return new KeptAnswer(StatusCodes.Status202Accepted, JsonSerializer.Serialize(new TestAnswer(message), Json.Lenient), null,
            $"/v1/endpoints/{endpoint.Id}/attempts?message={message}");
    }
}
