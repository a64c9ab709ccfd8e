using System.ComponentModel;
using System.Text;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>
/// The feed as Server-Sent Events: first what the caller has not read yet, then whatever happens, as it happens. The
/// id of each event is a cursor of the feed, so that a stream goes on where another one, or the feed, stopped.
/// See https://html.spec.whatwg.org/multipage/server-sent-events.html
/// </summary>
internal static class StreamEvents
{
    private const int PageSize = 200;
    // after a restart all streams come back at once: so many read what they missed at the same time
    private static readonly SemaphoreSlim CatchingUp = new(8);

    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/events/stream", Handle)
        .Describe("streamEvents", "Events", "Follow the events your institution is a party of as they happen.",
            "Any role. Server-Sent Events: data is the CloudEvent, id its cursor; a client that comes back sends the last id as Last-Event-ID and misses nothing. Without a cursor the stream begins now. A comment every 15 seconds keeps the line open; the stream ends when the token expires.")
        .Produces(200, typeof(string), "text/event-stream")
        .Refuses(400, 403, 410)
        .Example(null, """
            "id: hJ0m2q\ndata: {\"specversion\":\"1.0\",\"type\":\"referral.up.accepted\",\"subject\":\"ZZ2026030100001\"}\n\n"
            """);

    private sealed record Row
    {
        public long Position { get; init; }
        public bool Masked { get; init; }
        public string Body { get; init; } = "";
    }

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, Cursors cursors, StreamPump pump, IHostApplicationLifetime lifetime,
        [Description("Cursor to go on from, e.g. 'next' of the feed; the header Last-Event-ID goes before it. Absent: from now on.")] string? after = null)
    {
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(noCaller!);
        var cursor = http.Request.Headers["Last-Event-ID"].ToString() is { Length: > 0 } last ? last : after;
        long? position = null;
        if (cursor is not null)
        {
            if (!long.TryParse(cursors.Open(ListEvents.ListOf(caller.Institution), cursor), out var known))
                return new ProblemResult(Listing.BadCursor("after"));
            position = known;
            await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
            if (await ListEvents.IsTooOld(connection, known))
                return new ProblemResult(NotificationProblems.CursorTooOld);
        }
        var (listener, refused) = await pump.Listen(caller.Institution, http.RequestAborted);
        if (listener is null)
            return new ProblemResult(refused!);

        // without this a service that stops would wait for its streams; without a right to read there is no stream
        using var end = CancellationTokenSource.CreateLinkedTokenSource(http.RequestAborted, lifetime.ApplicationStopping);
        if (TimeLeft(http) is { } left)
            end.CancelAfter(left);
        try
        {
            http.Response.ContentType = "text/event-stream; charset=utf-8";
            http.Response.Headers.CacheControl = "no-store";
            // a proxy that collects the answer would hold the events back
            http.Response.Headers["X-Accel-Buffering"] = "no";
            var start = position ?? listener.From;
            await http.Response.Body.WriteAsync(Encoding.UTF8.GetBytes(
                $"retry: 2000\nid: {cursors.Seal(ListEvents.ListOf(caller.Institution), start.ToString())}\n\n"), end.Token);
            await http.Response.Body.FlushAsync(end.Token);
            while (listener is not null)
            {
                start = await CatchUp(http.Response.Body, database, pump, listener, start, end.Token);
                start = await Follow(http.Response.Body, listener, start, end.Token);
                // it could not keep up: what it missed stands in the log
                pump.Forget(listener);
                (listener, _) = await pump.Listen(caller.Institution, end.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
        }
        finally
        {
            if (listener is not null)
                pump.Forget(listener);
        }
        return Results.Empty;
    }

    private static TimeSpan? TimeLeft(HttpContext http)
    {
        if (!long.TryParse(http.User.FindFirst("exp")?.Value, out var expires))
            return null;
        var left = DateTimeOffset.FromUnixTimeSeconds(expires) - DateTimeOffset.UtcNow;
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < TimeSpan.FromDays(1) ? left : TimeSpan.FromDays(1);
    }

    /// <summary>Sends what stands in the log up to where the listener began.</summary>
    private static async Task<long> CatchUp(Stream output, NpgsqlDataSource database, StreamPump pump, Listener listener, long position, CancellationToken ct)
    {
        while (position < listener.From)
        {
            var rows = await Missed(database, listener, position, ct);
            foreach (var row in rows)
                await output.WriteAsync(pump.ItemOf(listener.Institution, row.Position, row.Body, row.Masked).Bytes, ct);
            await output.FlushAsync(ct);
            position = rows.Count < PageSize ? listener.From : rows[^1].Position;
        }
        return position;
    }

    private static async Task<List<Row>> Missed(NpgsqlDataSource database, Listener listener, long position, CancellationToken ct)
    {
        await CatchingUp.WaitAsync(ct);
        try
        {
            await using var connection = await database.OpenConnectionAsync(ct);
            return (await connection.QueryAsync<Row>("""
                select p.position, p.masked, e.body
                from event_party p join event e using (position)
                where p.institution = @Institution and p.position > @position and p.position <= @From
                order by p.position
                limit @PageSize
                """, new { listener.Institution, listener.From, position, PageSize })).AsList();
        }
        finally
        {
            CatchingUp.Release();
        }
    }

    /// <summary>Sends what happens, until the listener has fallen behind.</summary>
    private static async Task<long> Follow(Stream output, Listener listener, long position, CancellationToken ct)
    {
        while (await listener.Items.WaitToReadAsync(ct))
        {
            while (listener.Items.TryRead(out var item))
            {
                if (item.Position != 0 && item.Position <= position)
                    continue;
                await output.WriteAsync(item.Bytes, ct);
                position = Math.Max(position, item.Position);
            }
            await output.FlushAsync(ct);
        }
        return position;
    }
}
