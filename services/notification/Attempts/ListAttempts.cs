using System.ComponentModel;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>One request to an endpoint and what came of it.</summary>
internal sealed record AttemptAnswer(
    [property: Description("The webhook-id: the same on every attempt of a message.")] Guid MessageId,
    string Type,
    DateTimeOffset StartedAt,
    int DurationMs,
    [property: Description("HTTP status; absent when there was no answer.")] int? Status,
    [property: Description("Absent when it was taken; else status, redirect, timeout, connection, tls, unknown-host, address-refused or internal.")] string? Failure,
    [property: Description("The first 1024 bytes of the answer.")] string? Answer,
    [property: Description("Where the message stands now.")] MessageState MessageState);

/// <param name="Next">Cursor of the next page; absent on the last one.</param>
internal sealed record AttemptPage(IReadOnlyList<AttemptAnswer> Items, string? Next);

/// <summary>The attempts of an endpoint, newest first.</summary>
internal static class ListAttempts
{
    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/endpoints/{id}/attempts", Handle)
        .Describe("listAttempts", "Attempts", "List the delivery attempts of a webhook endpoint.",
            EndpointExamples.Roles + " Newest first, with status, latency and the beginning of the answer; follow Link rel=\"next\".")
        .Produces<AttemptPage>()
        .Produces(304)
        .Refuses(400, 403, 404)
        .Example(null, """
            {"items":[{"messageId":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a10","type":"referral.up.accepted","startedAt":"2026-03-01T01:30:02+00:00","durationMs":38,"status":500,"failure":"status","answer":"database is away","messageState":"Waiting"}]}
            """);

    private sealed record Row
    {
        public long Id { get; init; }
        public Guid MessageId { get; init; }
        public string Type { get; init; } = "";
        public DateTimeOffset StartedAt { get; init; }
        public int DurationMs { get; init; }
        public int? Status { get; init; }
        public string? Failure { get; init; }
        public string? Answer { get; init; }
        public MessageState MessageState { get; init; }
    }

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, Cursors cursors,
        [Description("Only those of one message, by its webhook-id.")] string? message = null,
        [Description("Cursor of the page before.")] string? cursor = null,
        [Description("Page size, 1 to 500; 50 when absent.")] string? limit = null)
    {
        var (caller, noCaller) = Caller.Of(http);
        var (size, badLimit) = Listing.Limit(limit);
        if (badLimit is not null)
            return new ProblemResult(badLimit);
        Guid? only = null;
        if (message is not null)
        {
            if (!Guid.TryParse(message, out var messageId))
                return new ProblemResult(Problems.Bad("message", "A webhook-id.", "应为 webhook-id。"));
            only = messageId;
        }
        var list = $"attempts|{id}|{only}";
        var before = long.MaxValue;
        if (cursor is not null && !long.TryParse(cursors.Open(list, cursor), out before))
            return new ProblemResult(Listing.BadCursor("cursor"));
        if (caller is null)
            return new ProblemResult(noCaller!);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "attempts.read");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        var rows = (await connection.QueryAsync<Row>("""
            select a.id, a.message_id, m.type, a.started_at, a.duration_ms, a.status, a.failure, a.answer, m.state as message_state
            from attempt a join message m on m.id = a.message_id
            where a.endpoint_id = @Id and a.id < @before and (@only::uuid is null or a.message_id = @only)
            order by a.id desc
            limit @size + 1
            """, new { endpoint.Id, before, only, size })).AsList();
        var page = rows.Take(size).Select(r => new AttemptAnswer(r.MessageId, r.Type, r.StartedAt, r.DurationMs, r.Status, r.Failure, r.Answer, r.MessageState)).ToArray();
        var next = rows.Count > size ? cursors.Seal(list, rows[size - 1].Id.ToString()) : null;
        if (next is not null)
            Listing.LinkNext(http, "cursor", next, size, only is null ? "" : $"&message={only}");
        return Listing.Answer(http, new AttemptPage(page, next));
    }
}
