using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

/// <param name="Id">The referral, or the endpoint, that was acknowledged.</param>
internal sealed record AcknowledgedAnswer(Guid Id);

/// <summary>Somebody of the institution has seen a line: it goes, until something new happens.</summary>
internal static class AcknowledgeInbox
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/inbox/{id}/acknowledge", Handle)
        .Describe("acknowledgeInbox", "Inbox", "Acknowledge a line of the inbox.",
            ListInbox.Roles + " With the line's etag as If-Match something that happened meanwhile is not acknowledged unseen (412). It changes nothing about the referral: an emergency's alarm is answered there.")
        .Produces<AcknowledgedAnswer>()
        .RefusesLikeACommand(more: 412)
        .Example(null, """{"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11"}""");

    private sealed record Line(long Position, bool Open);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read(http);
        if (command is null)
            return refusal!;
        var (caller, _, key, _) = command;
        if (!Guid.TryParse(id, out var thing))
            return new ProblemResult(Problems.NotFound);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        if (!await connection.ExecuteScalarAsync<bool>("select exists (select 1 from inbox_item where institution = @Institution and thing = @thing)",
                new { caller.Institution, thing }))
        {
            // somebody else's: who asks for it leaves a row
            if (await connection.ExecuteScalarAsync<bool>("select exists (select 1 from event where referral_id = @thing)", new { thing }))
                await Audit.Denied(connection, caller, "inbox.acknowledge", thing);
            return new ProblemResult(Problems.NotFound);
        }
        if (caller.MayReadInbox() is { } forbidden)
            return new ProblemResult(forbidden);
        return await Command.Once(connection, key, transaction => Acknowledge(connection, transaction, caller, thing, http.Request, clock.GetUtcNow()));
    }

    private static async Task<Command.Outcome> Acknowledge(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, Guid thing, HttpRequest request, DateTimeOffset now)
    {
        var line = await connection.QuerySingleAsync<Line>("""
            select position, open from inbox_item where institution = @Institution and thing = @thing for update
            """, new { caller.Institution, thing }, transaction);
        if (request.Headers.IfMatch.Count > 0 && ETags.Check(request, line.Position) is { } stale)
            return stale;
        if (line.Open)
        {
            await connection.ExecuteAsync("""
                update inbox_item set open = false, acknowledged_at = @now, acknowledged_by = @Subject
                where institution = @Institution and thing = @thing
                """, new { caller.Institution, caller.Subject, thing, now }, transaction);
            await Audit.Done(connection, transaction, caller, "inbox.acknowledge", thing);
        }
        return new KeptAnswer(StatusCodes.Status200OK, JsonSerializer.Serialize(new AcknowledgedAnswer(thing), Json.Lenient), null, null);
    }
}
