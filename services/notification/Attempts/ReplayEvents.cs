using System.ComponentModel;
using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

internal sealed record ReplayRequest(
    [property: Description("Everything that was logged from this moment on.")] DateTimeOffset? Since,
    [property: Description("Everything behind this cursor of the feed.")] string? After,
    [property: Description("Only this referral …")] Guid? ReferralId,
    [property: Description("… from this sequence number on; 1 when absent.")] long? Sequence,
    [property: Description("True: only what was never on its way to this endpoint, e.g. what its filter kept out before.")] bool? MissingOnly);

/// <param name="Until">The last position of the log that is looked at: what comes later is delivered anyway.</param>
internal sealed record ReplayAnswer(Guid EndpointId, long Until);

/// <summary>
/// Sends what an endpoint's filter wants again, since a moment, a cursor or a sequence number of one referral. The log
/// is worked through in steps beside the deliveries; a message keeps its <c>webhook-id</c>.
/// </summary>
internal static class ReplayEvents
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/endpoints/{id}/replay", Handle)
        .Describe("replayEvents", "Attempts", "Send an endpoint the events since a time, a cursor or a sequence number.",
            EndpointExamples.Roles + " Name exactly one of since, after and referralId. What was delivered is sent again under the same webhook-id, unless missingOnly.")
        .Accepts<ReplayRequest>("application/json")
        .Produces<ReplayAnswer>(202)
        .RefusesLikeACommand()
        .Example("""{"since":"2026-03-01T00:00:00+08:00"}""", """{"endpointId":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","until":48213}""");

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, Cursors cursors, Signals signals, TimeProvider clock)
    {
        long? after = null;
        var (command, refusal) = await Command.Read<ReplayRequest>(http, (body, _) => Check(body, clock.GetUtcNow()) ?? ReadCursor(body.After));
        if (command is null)
            return refusal!;
        var (caller, request, key, _) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "endpoint.replay");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        var result = await Command.Once(connection, key, transaction => Replay(connection, transaction, caller, endpoint, request, after, clock.GetUtcNow()));
        signals.Replays.Wake();
        return result;

        // a cursor is good for the institution that read with it
        Problem? ReadCursor(string? cursor)
        {
            if (cursor is null || Caller.Of(http).Caller is not { } reader)
                return null;
            if (!long.TryParse(cursors.Open(ListEvents.ListOf(reader.Institution), cursor), out var position))
                return Listing.BadCursor("/after");
            after = position;
            return null;
        }
    }

    private static Problem? Check(ReplayRequest request, DateTimeOffset now)
    {
        var checks = new Checks();
        var named = (request.Since is null ? 0 : 1) + (request.After is null ? 0 : 1) + (request.ReferralId is null ? 0 : 1);
        checks.That(named == 1, "", "Name exactly one of since, after and referralId.", "since、after、referralId 必须且只能填写一项。");
        checks.That(request.Since is null || request.Since <= now, "/since", "Not in the future: there would be nothing to send.", "不得晚于当前时间，否则没有可重发的内容。");
        checks.That(request.Sequence is null || request is { ReferralId: not null, Sequence: > 0 }, "/sequence",
            "A number from 1 on, together with referralId.", "应为从 1 开始的序号，并与 referralId 一起使用。");
        return checks.Passed ? null : checks.Problem;
    }

    private static async Task<Command.Outcome> Replay(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller,
        Endpoint endpoint, ReplayRequest request, long? after, DateTimeOffset now)
    {
        if (endpoint.State == EndpointState.Disabled)
            return endpoint.WrongState();
        after ??= request.Since is { } since ? await EventLog.LastBefore(connection, since, transaction) : 0;
        var until = await connection.QuerySingleAsync<long>($"""
            insert into replay (endpoint_id, after, until, referral_id, from_sequence, again, created_at)
            values (@Id, @after, {EventLog.LastPosition}, @ReferralId, @Sequence, @again, @now)
            returning until
            """, new
        {
            endpoint.Id, after, request.ReferralId, now,
            Sequence = request.ReferralId is null ? null : request.Sequence ?? (long?)1,
            again = request.MissingOnly != true,
        }, transaction);
        await Audit.Done(connection, transaction, caller, "endpoint.replay", endpoint.Id);
        return new KeptAnswer(StatusCodes.Status202Accepted, JsonSerializer.Serialize(new ReplayAnswer(endpoint.Id, until), Json.Lenient), null,
            $"/v1/endpoints/{endpoint.Id}/attempts");
    }
}
