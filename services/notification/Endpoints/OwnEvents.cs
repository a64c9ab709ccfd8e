using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ServiceDefaults;

namespace NotificationService;

/// <summary>The events this service publishes itself, to the owner of an endpoint.</summary>
internal static class OwnEvents
{
    private const string Source = "/notification";

    private sealed record OwnEvent(
        string Specversion, Guid Id, string Source, string Type, string Subject, DateTimeOffset Time,
        string Datacontenttype, string Dataschema, EndpointFacts Data);

    private sealed record EndpointFacts(Guid EndpointId, string Institution, string? Reason);

    public static string Test(Guid id, Guid endpoint, string institution, DateTimeOffset now) =>
        Body(NotificationEvents.Test, id, endpoint, institution, null, now);

    /// <summary>Tells the owner over the feed and its other endpoints.</summary>
    public static Task InsertDisabled(NpgsqlConnection connection, NpgsqlTransaction transaction, Guid endpoint, string institution, string reason, DateTimeOffset now)
    {
        var id = Guid.CreateVersion7(now);
        return connection.ExecuteAsync("""
            insert into arrival (event_id, type, subject, occurred_at, institution, sensitive, body)
            values (@id, @type, @subject, @now, @institution, false, @body)
            """, new
        {
            id, now, institution,
            type = NotificationEvents.Disabled,
            subject = endpoint.ToString(),
            body = Body(NotificationEvents.Disabled, id, endpoint, institution, reason, now),
        }, transaction);
    }

    private static string Body(string type, Guid id, Guid endpoint, string institution, string? reason, DateTimeOffset now) =>
        JsonSerializer.Serialize(new OwnEvent(CloudEvents.SpecVersion, id, Source, type, endpoint.ToString(), now,
            "application/json", CloudEvents.SchemaOf(type), new(endpoint, institution, reason)), Json.Lenient);
}
