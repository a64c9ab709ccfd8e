using System.ComponentModel;
using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Storage;

namespace NotificationService;

internal sealed record CreateBrokerUserRequest(
    [property: Description("For people; at most 200 characters.")] string? Description);

/// <summary>An institution gets a user of the broker, and with the first one an exchange of its own.</summary>
internal static class CreateBrokerUser
{
    private const int Most = 10;

    public static void Map(IEndpointRouteBuilder app) => app.MapPost("/broker-users", Handle)
        .Describe("createBrokerUser", "Broker users", "Create a user of the broker that reads your institution's exchange.",
            EndpointExamples.Roles + " The answer holds the password, which is shown this once. The user declares queues whose names begin with queuePrefix, binds them to exchange and consumes them; everything else on the broker is closed to it.")
        .Accepts<CreateBrokerUserRequest>("application/json")
        .Produces<BrokerUserAnswer>(201)
        .RefusesLikeACommand()
        .Example("""{"description":"HIS"}""", BrokerExamples.WithPassword);

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, BrokerManagement broker, Secrets secrets, Signals signals, TimeProvider clock)
    {
        var (command, refusal) = await Command.Read<CreateBrokerUserRequest>(http, (body, _) => Check(body), optional: true);
        if (command is null)
            return refusal!;
        var (caller, request, key, _) = command;
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        if (!broker.IsOffered)
            return new ProblemResult(NotificationProblems.AmqpNotOffered);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var result = await BrokerCommand.Once(connection, key, caller, secrets,
            transaction => Create(connection, transaction, caller, request, broker, secrets, clock.GetUtcNow()));
        signals.BrokerUsers.Wake();
        return result;
    }

    private static Problem? Check(CreateBrokerUserRequest request)
    {
        var checks = new Checks();
        checks.Text(request.Description, "/description", 200, required: false);
        return checks.Passed ? null : checks.Problem;
    }

    private static async Task<Command.Outcome> Create(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller,
        CreateBrokerUserRequest request, BrokerManagement broker, Secrets secrets, DateTimeOffset now)
    {
        await BrokerUser.TakeTurn(connection, transaction);
        var id = Guid.CreateVersion7(now);
        var user = await connection.QuerySingleOrDefaultAsync<BrokerUser>($"""
            -- the first user of all: nobody has read before, so the copying begins here
            with begin as (
                update exchange_progress set position = {EventLog.LastPosition}
                where not exists (select 1 from broker_user where revoked_at is null))
            insert into broker_user (id, institution, name, description, created_by, created_at)
            select @id, @Institution, @name, @Description, @Subject, @now
            where (select count(*) from broker_user where institution = @Institution and revoked_at is null) < @Most
            returning {BrokerUser.Columns}
            """, new { id, name = BrokerUser.NameOf(id), caller.Institution, caller.Subject, request.Description, now, Most }, transaction);
        if (user is null)
            return new Problem(NotificationProblems.TooManyBrokerUsers) { More = new Dictionary<string, object?> { ["limit"] = Most } };
        var password = BrokerUser.NewPassword();
        await broker.PrepareVirtualHost(CancellationToken.None);
        await broker.PutUser(user.Name, password, user.Institution, CancellationToken.None);
        await Audit.Done(connection, transaction, caller, "broker-user.create", id);
        return BrokerCommand.Keep(StatusCodes.Status201Created, caller, secrets, user.Answer(broker, password), $"/v1/broker-users/{id}");
    }
}

/// <summary>What the commands that answer a password have in common.</summary>
internal static class BrokerCommand
{
    public static async Task<IResult> Once(NpgsqlConnection connection, IdempotencyKey key, Caller caller, Secrets secrets,
        Func<NpgsqlTransaction, Task<Command.Outcome>> change)
    {
        try
        {
            return await Command.Once(connection, key, change, opened: body => secrets.Open(caller.Scope, Convert.FromBase64String(body)));
        }
        catch (BrokerManagementException)
        {
            // nothing was committed; what the broker has already, the keeper takes away
            return new ProblemResult(new Problem(Problems.Unavailable) { RetryAfter = 10 });
        }
    }

    // the kept answer holds the password: it is stored encrypted
    public static KeptAnswer Keep(int status, Caller caller, Secrets secrets, BrokerUserAnswer answer, string? location = null) =>
        new(status, Convert.ToBase64String(secrets.Seal(caller.Scope, JsonSerializer.Serialize(answer, Json.Lenient))), null, location);
}
