using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>A CloudEvent 1.0 as it also goes over AMQP, webhooks and the stream.</summary>
internal sealed record CloudEvent(
    string Specversion,
    Guid Id,
    string Source,
    string Type,
    [property: Description("The referral's number, or what else the event is about.")] string? Subject,
    DateTimeOffset Time,
    string? Datacontenttype,
    string? Dataschema,
    [property: Description("Order within the referral: 1, 2, 3 … without a gap.")] string? Sequence,
    string? Sequencetype,
    string? Traceparent,
    [property: Description("Coded facts; which members an event type carries stands in its schema.")] JsonObject Data);

/// <param name="Next">Cursor to go on with; the same as the one sent when nothing is new.</param>
internal sealed record EventPage(IReadOnlyList<CloudEvent> Items, string Next);

/// <summary>
/// Everything the caller's institution is a party of, in the order of the log. Whoever follows the cursor misses
/// nothing and reads nothing twice, however long the pause between two calls.
/// </summary>
internal static class ListEvents
{
    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/events", Handle)
        .Describe("listEvents", "Events", "Read the events your institution is a party of.",
            "Any role. Keep 'next' and send it as 'after': an empty page means nothing is new yet. Departments and patient classes that give an illness away are left out for readers who are no party.")
        .Produces<EventPage>()
        .Produces(304)
        .Refuses(400, 403, 410)
        .Example(null, """
            {"items":[{"specversion":"1.0","id":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a10","source":"/referral","type":"referral.up.accepted","subject":"ZZ2026030100001","time":"2026-03-01T01:30:00Z","datacontenttype":"application/json","dataschema":"urn:referral:schema:referral.accepted:1","sequence":"3","sequencetype":"Integer","data":{"referralNo":"ZZ2026030100001","direction":"Up","state":"Accepted","sequence":3}}],"next":"hJ0m2q"}
            """);

    /// <summary>What the cursors of an institution belong to; the stream takes them, too.</summary>
    public static string ListOf(string institution) => "events|" + institution;

    /// <summary>True when events behind this position are not kept any more: going on would leave a gap.</summary>
    public static Task<bool> IsTooOld(NpgsqlConnection connection, long position) =>
        connection.ExecuteScalarAsync<bool>("select @position < pruned from log_start", new { position });

    private sealed record Row
    {
        public long Position { get; init; }
        public bool Masked { get; init; }
        public string Body { get; init; } = "";
    }

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, Cursors cursors,
        [Description("Cursor to go on from; absent: from the beginning.")] string? after = null,
        [Description("Page size, 1 to 500; 50 when absent.")] string? limit = null)
    {
        var (caller, noCaller) = Caller.Of(http);
        var (size, badLimit) = Listing.Limit(limit);
        if (badLimit is not null)
            return new ProblemResult(badLimit);
        if (caller is null)
            return new ProblemResult(noCaller!);
        // a cursor is its institution's: one taken from another tells nothing, not even that it fits
        var list = ListOf(caller.Institution);
        var position = 0L;
        if (after is not null && !long.TryParse(cursors.Open(list, after), out position))
            return new ProblemResult(Listing.BadCursor("after"));

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        if (after is not null && await IsTooOld(connection, position))
            return new ProblemResult(NotificationProblems.CursorTooOld);
        var rows = (await connection.QueryAsync<Row>("""
            select p.position, p.masked, e.body
            from event_party p join event e using (position)
            where p.institution = @Institution and p.position > @position
            order by p.position
            limit @size
            """, new { caller.Institution, position, size })).AsList();
        var next = rows.Count > 0 ? cursors.Seal(list, rows[^1].Position.ToString()) : after ?? cursors.Seal(list, "0");
        Listing.LinkNext(http, "after", next, size);
        return Listing.Bytes(http, Write(rows, next));
    }

    // the stored bytes go out as they came in: parsing and writing them anew could only change them
    private static byte[] Write(IReadOnlyList<Row> rows, string next)
    {
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer))
        {
            writer.WriteStartObject();
            writer.WriteStartArray("items");
            foreach (var row in rows)
                writer.WriteRawValue(row.Masked ? Masking.Mask(row.Body) : row.Body, skipInputValidation: true);
            writer.WriteEndArray();
            writer.WriteString("next", next);
            writer.WriteEndObject();
        }
        return buffer.ToArray();
    }
}
