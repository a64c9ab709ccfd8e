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

internal sealed record CreateEndpointRequest(
    [property: Description("Where webhooks are sent: a public https address.")] string? Url,
    [property: Description("For people; at most 200 characters.")] string? Description,
    [property: Description("Event types, or prefixes ending in .*; absent or empty means all.")] IReadOnlyList<string?>? Types,
    [property: Description("Up or Down; absent means both.")] Direction? Direction,
    [property: Description("Routine, Urgent, Emergency; absent or empty means all.")] IReadOnlyList<Priority>? Priorities,
    [property: Description("Department codes, with what belongs to them (03 stands for 03.01, too); absent or empty means all.")] IReadOnlyList<string?>? Departments,
    [property: Description("Institutions of which one is a party, too; absent or empty means all.")] IReadOnlyList<string?>? Partners,
    [property: Description("True: deliver the messages of one referral one after the other, in order.")] bool? InOrder);

/// <summary>An institution names an address for its webhooks and receives the secret that signs them, once.</summary>
internal static class CreateEndpoint
{
    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/endpoints", Handle)
        .Describe("createEndpoint", "Endpoints", "Create a webhook endpoint.",
            EndpointExamples.Roles + " The answer holds the signing secret (whsec_…), which is shown this once.")
        .Accepts<CreateEndpointRequest>("application/json")
        .Produces<EndpointAnswer>(201)
        .RefusesLikeACommand()
        .Example(EndpointExamples.Create, EndpointExamples.Created);

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, AddressGuard guard, Secrets secrets,
        WebhookSettings settings, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read<CreateEndpointRequest>(http, (body, _) => EndpointChecks.Of(body));
        if (command is null)
            return refusal!;
        var (caller, request, key, _) = command;
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        return await Command.Once(connection, key,
            transaction => Create(connection, transaction, caller, request, guard, secrets, settings, clock.GetUtcNow()),
            // the kept answer holds the secret: like the secret itself it is stored encrypted
            opened: body => secrets.Open(caller.Scope, Convert.FromBase64String(body)));
    }

    private static async Task<Command.Outcome> Create(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller,
        CreateEndpointRequest request, AddressGuard guard, Secrets secrets, WebhookSettings settings, DateTimeOffset now)
    {
        var url = new Uri(request.Url!);
        if (await EndpointChecks.Address(guard, url) is { } refused)
            return refused;

        var id = Guid.CreateVersion7(now);
        var secret = Secrets.New();
        var endpoint = await connection.QuerySingleOrDefaultAsync<Endpoint>($"""
            with made as (
                insert into endpoint (id, institution, url, description, types, direction, priorities, departments, partners,
                    in_order, state, created_by, created_at)
                select @id, @Institution, @Url, @Description, @Types, @Direction, @Priorities, @Departments, @Partners,
                    @InOrder, 'Active', @Subject, @now
                where (select count(*) from endpoint where institution = @Institution and deleted_at is null) < @Most
                returning {Endpoint.Columns}),
            secret as (
                insert into endpoint_secret (endpoint_id, sealed)
                select id, @Sealed from made)
            select * from made
            """, new
        {
            id, now, caller.Institution, caller.Subject, request.Description,
            Url = url.AbsoluteUri,
            Types = (request.Types ?? []).Distinct().ToArray(),
            Direction = request.Direction?.ToString(),
            Priorities = (request.Priorities ?? []).Distinct().Select(p => p.ToString()).ToArray(),
            Departments = (request.Departments ?? []).Distinct().ToArray(),
            Partners = (request.Partners ?? []).Distinct().ToArray(),
            InOrder = request.InOrder ?? false,
            Most = settings.EndpointsPerInstitution,
            Sealed = secrets.Seal(id.ToString(), secret),
        }, transaction);
        if (endpoint is null)
            return new Problem(NotificationProblems.TooManyEndpoints)
            {
                More = new Dictionary<string, object?> { ["limit"] = settings.EndpointsPerInstitution },
            };
        await Audit.Done(connection, transaction, caller, "endpoint.create", id);
        var body = JsonSerializer.Serialize(endpoint.Answer(secret), Json.Lenient);
        return new KeptAnswer(StatusCodes.Status201Created,
            Convert.ToBase64String(secrets.Seal(caller.Scope, body)), endpoint.ETag, $"/v1/endpoints/{id}");
    }
}
