using System.ComponentModel;
using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

internal sealed record RotateSecretRequest(
    [property: Description("Hours for which the old secret signs beside the new one, 0 to 24; 24 when absent. 0 when it has leaked.")] int? OverlapHours);

/// <summary>
/// Gives an endpoint a new secret. For a day both sign every message, so that a receiver changes over without losing one.
/// </summary>
internal static class RotateSecret
{
    private const int LongestOverlap = 24;

    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/endpoints/{id}/rotate-secret", Handle)
        .Describe("rotateSecret", "Endpoints", "Replace the signing secret of a webhook endpoint.",
            EndpointExamples.Roles + " The answer holds the new secret, which is shown this once. Until the overlap ends each message carries a signature of the old and of the new one. If-Match is honoured when it is sent.")
        .Accepts<RotateSecretRequest>("application/json")
        .Produces<EndpointAnswer>()
        .RefusesLikeACommand(more: 412)
        .Example("""{"overlapHours":24}""", EndpointExamples.Created);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, Secrets secrets, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read<RotateSecretRequest>(http, (body, _) => Check(body), optional: true);
        if (command is null)
            return refusal!;
        var (caller, request, key, _) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "endpoint.rotate-secret");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        return await Command.Once(connection, key,
            transaction => Rotate(connection, transaction, caller, endpoint.Id, http.Request, secrets, clock.GetUtcNow(), TimeSpan.FromHours(request.OverlapHours ?? LongestOverlap)),
            opened: body => secrets.Open(caller.Scope, Convert.FromBase64String(body)));
    }

    private static Problem? Check(RotateSecretRequest request) => request.OverlapHours is < 0 or > LongestOverlap
        ? Problems.Bad("/overlapHours", "A number from 0 to 24.", "应为 0 至 24 的整数。")
        : null;

    private static async Task<Command.Outcome> Rotate(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, Guid id,
        HttpRequest request, Secrets secrets, DateTimeOffset now, TimeSpan overlap)
    {
        var (found, notFound) = await Endpoint.Find(connection, caller, id.ToString(), "endpoint.rotate-secret", transaction);
        if (found is null)
            return notFound!;
        if (request.Headers.IfMatch.Count > 0 && ETags.Check(request, found.Version) is { } stale)
            return stale;
        var secret = Secrets.New();
        var endpoint = await connection.QuerySingleAsync<Endpoint>($"""
            with old as (
                update endpoint_secret set expires_at = @expiresAt
                where endpoint_id = @id and (expires_at is null or expires_at > @expiresAt)),
            fresh as (
                insert into endpoint_secret (endpoint_id, sealed) values (@id, @Sealed))
            update endpoint set version = version + 1 where id = @id
            returning {Endpoint.Columns}
            """, new { id, expiresAt = now + overlap, Sealed = secrets.Seal(id.ToString(), secret) }, transaction);
        await Audit.Done(connection, transaction, caller, "endpoint.rotate-secret", id);
        return new KeptAnswer(StatusCodes.Status200OK,
            Convert.ToBase64String(secrets.Seal(caller.Scope, JsonSerializer.Serialize(endpoint.Answer(secret), Json.Lenient))), endpoint.ETag, null);
    }
}
