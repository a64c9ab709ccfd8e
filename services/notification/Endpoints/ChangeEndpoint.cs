using System.ComponentModel;
using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

internal sealed record ChangeEndpointRequest(
    [property: Description("Where webhooks are sent from now on: a public https address.")] string? Url,
    [property: Description("For people; null takes it away.")] string? Description,
    [property: Description("Event types, or prefixes ending in .*; null or empty means all.")] IReadOnlyList<string?>? Types,
    [property: Description("Up or Down; null means both.")] Direction? Direction,
    [property: Description("Routine, Urgent, Emergency; null or empty means all.")] IReadOnlyList<Priority>? Priorities,
    [property: Description("Department codes, with what belongs to them; null or empty means all.")] IReadOnlyList<string?>? Departments,
    [property: Description("Institutions of which one is a party, too; null or empty means all.")] IReadOnlyList<string?>? Partners,
    [property: Description("True: deliver the messages of one referral one after the other, in order.")] bool? InOrder)
{
    public CreateEndpointRequest Whole => new(Url, Description, Types, Direction, Priorities, Departments, Partners, InOrder);
}

/// <summary>
/// Changes an endpoint in place: secret, waiting messages and attempts stay. What is left out stays as it is; null
/// takes a filter or the description away. A new address starts afresh: what waits is due there at once.
/// </summary>
internal static class ChangeEndpoint
{
    private const string Action = "endpoint.change";

    public static void Map(IEndpointRouteBuilder app) => app.MapPatch("/endpoints/{id}", Handle)
        .Describe("changeEndpoint", "Endpoints", "Change a webhook endpoint: address, filters, order, description.",
            EndpointExamples.Roles + " What is left out stays; null takes a filter or the description away. The address is checked as at creation. "
            + "New filters hold for events from now on, a new address for waiting messages, too. The secret stays; a paused or disabled endpoint stays so.")
        .Accepts<ChangeEndpointRequest>("application/json")
        .Produces<EndpointAnswer>()
        .RefusesLikeACommand(ifMatch: true)
        .Example("""{"url":"https://his.example.org/referral-webhooks","description":"HIS of the township hospital","priorities":["Urgent","Emergency"]}""", EndpointExamples.Endpoint);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database, AddressGuard guard, Signals signals)
    {
        var (command, refusal) = await Command.Read<ChangeEndpointRequest>(http, (body, bytes) => EndpointChecks.Of(body.Whole, urlNeeded: Named(bytes).Contains("url")));
        if (command is null)
            return refusal!;
        var (caller, change, key, bytes) = command;
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, Action);
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        var result = await Command.Once(connection, key, transaction => Change(connection, transaction, caller, endpoint.Id, http.Request, change, Named(bytes), guard));
        signals.Recovered.Wake();
        signals.Due(endpoint.Id);
        return result;
    }

    private static async Task<Command.Outcome> Change(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, Guid id,
        HttpRequest request, ChangeEndpointRequest change, HashSet<string> named, AddressGuard guard)
    {
        var (before, notFound) = await Endpoint.Find(connection, caller, id.ToString(), Action, transaction);
        if (before is null)
            return notFound!;
        if (ETags.Check(request, before.Version) is { } stale)
            return stale;
        var url = named.Contains("url") ? new Uri(change.Url!) : null;
        if (url is not null && await EndpointChecks.Address(guard, url) is { } refused)
            return refused;
        var moved = url is not null && url.AbsoluteUri != before.Url;
        var after = await connection.QuerySingleAsync<Endpoint>($"""
            update endpoint
            set url = @Url, description = @Description, types = @Types, direction = @Direction, priorities = @Priorities,
                departments = @Departments, partners = @Partners, in_order = @InOrder, version = version + 1,
                -- whatever failed, failed elsewhere
                failures = case when @moved then 0 else failures end,
                failing_since = case when @moved then null else failing_since end,
                not_before = case when @moved then null else not_before end,
                -- what waited behind a failed message goes, too
                recovered = recovered or @moved or in_order and not @InOrder
            where id = @id
            returning {Endpoint.Columns}
            """, new
        {
            id, moved,
            Url = url?.AbsoluteUri ?? before.Url,
            Description = named.Contains("description") ? change.Description : before.Description,
            Types = named.Contains("types") ? Each(change.Types) : before.Types,
            Direction = named.Contains("direction") ? change.Direction?.ToString() : before.Direction,
            Priorities = named.Contains("priorities") ? [.. (change.Priorities ?? []).Distinct().Select(p => p.ToString())] : before.Priorities,
            Departments = named.Contains("departments") ? Each(change.Departments) : before.Departments,
            Partners = named.Contains("partners") ? Each(change.Partners) : before.Partners,
            InOrder = named.Contains("inOrder") ? change.InOrder ?? false : before.InOrder,
        }, transaction);
        await Audit.Done(connection, transaction, caller, moved ? "endpoint.change-url" : Action, id);
        return new KeptAnswer(StatusCodes.Status200OK, JsonSerializer.Serialize(after.Answer(), Json.Lenient), after.ETag, null);
    }

    // null takes away, and absent leaves as it is: only the text tells them apart
    private static HashSet<string> Named(byte[] bytes)
    {
        using var sent = JsonDocument.Parse(bytes);
        return sent.RootElement.EnumerateObject().Select(m => m.Name).ToHashSet(StringComparer.Ordinal);
    }

    private static string[] Each(IReadOnlyList<string?>? entries) => [.. (entries ?? []).Distinct().Select(e => e!)];
}
