using System.ComponentModel;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>Where an endpoint stands.</summary>
internal enum EndpointState
{
    /// <summary>Messages are delivered.</summary>
    Active,
    /// <summary>Its owner paused it: messages wait.</summary>
    Paused,
    /// <summary>The receiver is gone or failed for days: nothing is sent; what comes meanwhile is sent when it is resumed.</summary>
    Disabled,
}

/// <summary>Why an endpoint was disabled.</summary>
internal enum DisabledReason
{
    /// <summary>It answered 410.</summary>
    Gone,
    /// <summary>No attempt succeeded for days.</summary>
    Failing,
}

/// <summary>An institution's address for webhooks, as its table row.</summary>
internal sealed record Endpoint
{
    public Guid Id { get; init; }
    public string Institution { get; init; } = "";
    public string Url { get; init; } = "";
    public string? Description { get; init; }
    public string[] Types { get; init; } = [];
    public string? Direction { get; init; }
    public string[] Priorities { get; init; } = [];
    public string[] Departments { get; init; } = [];
    public string[] Partners { get; init; } = [];
    public bool InOrder { get; init; }
    public EndpointState State { get; init; }
    public DisabledReason? DisabledReason { get; init; }
    public DateTimeOffset? DisabledAt { get; init; }
    public DateTimeOffset? FailingSince { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public long Version { get; init; }

    public string ETag => ETags.Of(Version);

    public IReadOnlyList<string> Actions => State switch
    {
        EndpointState.Active => ["pause", "test", "rotate-secret", "resend", "replay", "delete"],
        EndpointState.Paused => ["resume", "rotate-secret", "resend", "replay", "delete"],
        EndpointState.Disabled => ["resume", "rotate-secret", "delete"],
    };

    public Problem WrongState() => new(NotificationProblems.WrongEndpointState)
    {
        More = new Dictionary<string, object?> { ["state"] = State, ["actions"] = Actions },
    };

    public EndpointAnswer Answer(string? secret = null) =>
        new(Id, Url, Description, Types, Direction, Priorities, Departments, Partners, InOrder, State, DisabledReason, DisabledAt,
            FailingSince, CreatedAt, Actions, secret);

    public const string Columns =
        "id, institution, url, description, types, direction, priorities, departments, partners, in_order, state, disabled_reason, disabled_at, failing_since, created_at, version";

    /// <summary>
    /// The endpoint when it is the caller's; 404 for one that is not there, and for another institution's with a row
    /// in the audit.
    /// </summary>
    public static async Task<(Endpoint? Endpoint, Problem? Problem)> Find(NpgsqlConnection connection, Caller caller, string id, string action, NpgsqlTransaction? locking = null)
    {
        if (!Guid.TryParse(id, out var key))
            return (null, Problems.NotFound);
        var endpoint = await connection.QuerySingleOrDefaultAsync<Endpoint>($"""
            select {Columns} from endpoint where id = @key and deleted_at is null
            """ + (locking is null ? "" : " for update"), new { key }, locking);
        if (endpoint is null)
            return (null, Problems.NotFound);
        if (endpoint.Institution == caller.Institution)
            return (endpoint, null);
        await Audit.Denied(connection, caller, action, key);
        return (null, Problems.NotFound);
    }
}

/// <summary>An endpoint as its owner sees it.</summary>
internal sealed record EndpointAnswer(
    Guid Id,
    string Url,
    string? Description,
    [property: Description("Event types, or prefixes ending in .*; empty means all.")] IReadOnlyList<string> Types,
    [property: Description("Up or Down; absent means both.")] string? Direction,
    [property: Description("Priorities; empty means all.")] IReadOnlyList<string> Priorities,
    [property: Description("Department codes, with what belongs to them (03 stands for 03.01, too); empty means all.")] IReadOnlyList<string> Departments,
    [property: Description("Institutions of which one is a party, too; empty means all.")] IReadOnlyList<string> Partners,
    [property: Description("True: the messages of one referral are delivered one after the other, in order.")] bool InOrder,
    EndpointState State,
    DisabledReason? DisabledReason,
    [property: Description("What came after this moment is sent when the endpoint is resumed.")] DateTimeOffset? DisabledAt,
    [property: Description("Since when no attempt has succeeded.")] DateTimeOffset? FailingSince,
    DateTimeOffset CreatedAt,
    [property: Description("What can be done with it now.")] IReadOnlyList<string> Actions,
    [property: Description("The signing secret. It is shown in this answer only.")] string? Secret);

/// <summary>Who may look after an institution's endpoints.</summary>
internal static class Callers
{
    /// <summary>Null, or 403: these people answer for the institution's systems.</summary>
    public static Problem? MayManageEndpoints(this Caller caller) =>
        caller.Role is Role.Operator or Role.Machine or Role.Coordinator or Role.Head ? null : new(Problems.Forbidden);
}
