using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

/// <summary>
/// Pauses an endpoint (its messages wait) and resumes it (what waits is due at once). A disabled one is resumed, too:
/// that is how its owner says that the receiver is mended.
/// </summary>
internal static class SwitchEndpoint
{
    public static void Map(IEndpointRouteBuilder app)
    {
        MapOne(app, "pause", "pauseEndpoint", "Pause a webhook endpoint.",
            "Messages wait until it is resumed. Pausing a paused one changes nothing.", EndpointExamples.Paused,
            endpoint => endpoint.State switch
            {
                EndpointState.Active or EndpointState.Paused => EndpointState.Paused,
                EndpointState.Disabled => null,
            });
        MapOne(app, "resume", "resumeEndpoint", "Resume a paused or disabled webhook endpoint.",
            "What waits is delivered at once, and so is what came while it was disabled. Resuming an active one changes nothing.", EndpointExamples.Endpoint,
            _ => EndpointState.Active);
    }

    private static void MapOne(IEndpointRouteBuilder app, string verb, string name, string summary, string description,
        string example, Func<Endpoint, EndpointState?> decide) =>
        app.MapPost($"/endpoints/{{id}}/{verb}", (HttpContext http, string id, NpgsqlDataSource database, Signals signals, TimeProvider clock) =>
                Handle(http, id, "endpoint." + verb, decide, database, signals, clock))
            .Describe(name, "Endpoints", summary, $"{EndpointExamples.Roles} {description} If-Match is honoured when it is sent.")
            .Produces<EndpointAnswer>()
            .RefusesLikeACommand(more: 412)
            .Example(null, example);

    private static async Task<IResult> Handle(HttpContext http, string id, string action, Func<Endpoint, EndpointState?> decide,
        NpgsqlDataSource database, Signals signals, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read(http);
        if (command is null)
            return refusal!;
        var (caller, _, key, _) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, action);
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        var result = await Command.Once(connection, key,
            transaction => Change(connection, transaction, caller, endpoint.Id, action, decide, http.Request, clock));
        signals.Recovered.Wake();
        signals.Replays.Wake();
        signals.Due(endpoint.Id);
        return result;
    }

    private static async Task<Command.Outcome> Change(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller,
        Guid id, string action, Func<Endpoint, EndpointState?> decide, HttpRequest request, TimeProvider clock)
    {
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id.ToString(), action, transaction);
        if (endpoint is null)
            return notFound!;
        if (request.Headers.IfMatch.Count > 0 && ETags.Check(request, endpoint.Version) is { } stale)
            return stale;
        if (decide(endpoint) is not { } state)
            return endpoint.WrongState();
        if (state != endpoint.State)
        {
            if (endpoint.State == EndpointState.Disabled)
                await SendWhatItMissed(connection, transaction, id, clock.GetUtcNow());
            endpoint = await connection.QuerySingleAsync<Endpoint>($"""
                update endpoint
                set state = @state, disabled_reason = null, disabled_at = null, disabled_from = null, version = version + 1,
                    -- a fresh start: whoever resumes says that the receiver works again
                    failures = case when @resumed then 0 else failures end,
                    failing_since = case when @resumed then null else failing_since end,
                    not_before = case when @resumed then null else not_before end,
                    recovered = recovered or @resumed
                where id = @id
                returning {Endpoint.Columns}
                """, new { id, state = state.ToString(), resumed = state == EndpointState.Active }, transaction);
            await Audit.Done(connection, transaction, caller, action, id);
        }
        return new KeptAnswer(StatusCodes.Status200OK, JsonSerializer.Serialize(endpoint.Answer(), Json.Lenient), endpoint.ETag, null);
    }

    private static async Task SendWhatItMissed(NpgsqlConnection connection, NpgsqlTransaction transaction, Guid id, DateTimeOffset now)
    {
        // no event may get its place between the end of the replay and the first message of the resumed endpoint
        await connection.ExecuteAsync("select pg_advisory_xact_lock(@Lock)", new { Sequencer.Lock }, transaction);
        await connection.ExecuteAsync($"""
            insert into replay (endpoint_id, after, until, again, created_at)
            select id, disabled_from, {EventLog.LastPosition}, false, @now from endpoint where id = @id and disabled_from is not null
            """, new { id, now }, transaction);
    }
}
