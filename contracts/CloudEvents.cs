namespace Referrals.Contracts;

/// <summary>
/// The envelope every event travels in: CloudEvents 1.0, JSON format. The same bytes go over AMQP, webhooks, the
/// feed and the stream. See https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
/// </summary>
public static class CloudEvents
{
    public const string SpecVersion = "1.0";

    /// <summary>Media type of a structured-mode CloudEvent.</summary>
    public const string MediaType = "application/cloudevents+json";

    /// <summary>Type of the <c>sequence</c> extension: a decimal integer written as a string.</summary>
    public const string SequenceType = "Integer";

    /// <summary>Stable identifier of the JSON Schema of an event's data; the file lies in <c>contracts/schemas</c>.</summary>
    public static string SchemaOf(string eventName) => $"urn:referral:schema:{eventName}:1";
}

/// <summary>What one event is called, what it means and which members of its data it may carry.</summary>
/// <param name="Name">The last part of the event's type, e.g. <c>accepted</c>.</param>
/// <param name="Meaning">One sentence for a reader who has only this table.</param>
/// <param name="Members">Members beyond those every event of the family carries; nothing else is ever written.</param>
public sealed record EventDefinition(string Name, string Meaning, params string[] Members);
