using System.ComponentModel;
using System.Security.Cryptography;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>An institution's user of the broker, as its table row.</summary>
internal sealed record BrokerUser
{
    // creations, rotations and the keeper take turns: a user that is being made is not one that was forgotten
    private const long Lock = 0x0B20_4E57;

    public Guid Id { get; init; }
    public string Institution { get; init; } = "";
    public string Name { get; init; } = "";
    public string? Description { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset? RotatedAt { get; init; }

    public const string Columns = "id, institution, name, description, created_at, rotated_at";

    public static string NameOf(Guid id) => "i-" + id.ToString("n");

    public static string NewPassword() => Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(24));

    public static Task TakeTurn(NpgsqlConnection connection, NpgsqlTransaction transaction) =>
        connection.ExecuteAsync("select pg_advisory_xact_lock(@Lock)", new { Lock }, transaction);

    public BrokerUserAnswer Answer(BrokerManagement broker, string? password = null) =>
        new(Id, Name, Description, broker.VirtualHost, BrokerManagement.ExchangeOf(Institution), BrokerManagement.QueuesOf(Name), CreatedAt, RotatedAt, password);

    /// <summary>The user when it is the caller's; 404 for one that is not there, and for another institution's with a row in the audit.</summary>
    public static async Task<(BrokerUser? User, Problem? Problem)> Find(NpgsqlConnection connection, Caller caller, string id, string action)
    {
        if (!Guid.TryParse(id, out var key))
            return (null, Problems.NotFound);
        var user = await connection.QuerySingleOrDefaultAsync<BrokerUser>(
            $"select {Columns} from broker_user where id = @key and revoked_at is null", new { key });
        if (user is null)
            return (null, Problems.NotFound);
        if (user.Institution == caller.Institution)
            return (user, null);
        await Audit.Denied(connection, caller, action, key);
        return (null, Problems.NotFound);
    }
}

/// <summary>A user of the broker as its owner sees it.</summary>
internal sealed record BrokerUserAnswer(
    Guid Id,
    [property: Description("The user name for AMQP.")] string Name,
    string? Description,
    [property: Description("The virtual host to open.")] string VirtualHost,
    [property: Description("The topic exchange of your institution: bind with event types, * and #.")] string Exchange,
    [property: Description("What the names of your queues must begin with.")] string QueuePrefix,
    DateTimeOffset CreatedAt,
    DateTimeOffset? RotatedAt,
    [property: Description("The password. It is shown in this answer only.")] string? Password);

internal static class BrokerExamples
{
    public const string User = """
        {"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","name":"i-019a7d0e5b7a7d0c8f436a9a5c0e7b11","description":"HIS","virtualHost":"referral-institutions","exchange":"institution-events.12210600DEM0000149","queuePrefix":"i-019a7d0e5b7a7d0c8f436a9a5c0e7b11.","createdAt":"2026-03-01T01:30:00+00:00"}
        """;

    public const string WithPassword = """
        {"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","name":"i-019a7d0e5b7a7d0c8f436a9a5c0e7b11","description":"HIS","virtualHost":"referral-institutions","exchange":"institution-events.12210600DEM0000149","queuePrefix":"i-019a7d0e5b7a7d0c8f436a9a5c0e7b11.","createdAt":"2026-03-01T01:30:00+00:00","password":"3f0c…"}
        """;

    public const string Page = """
        {"items":[{"id":"019a7d0e-5b7a-7d0c-8f43-6a9a5c0e7b11","name":"i-019a7d0e5b7a7d0c8f436a9a5c0e7b11","virtualHost":"referral-institutions","exchange":"institution-events.12210600DEM0000149","queuePrefix":"i-019a7d0e5b7a7d0c8f436a9a5c0e7b11.","createdAt":"2026-03-01T01:30:00+00:00"}]}
        """;
}
