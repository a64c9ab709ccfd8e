namespace Referrals.Contracts;

/// <summary>
/// An event of the notification service, for the owner of a webhook endpoint: delivered over webhooks and the feed,
/// never over the exchanges of the other services. <see cref="Id"/> is the message id: the same on every repetition.
/// </summary>
public sealed record NotificationEvent(
    string SpecVersion,
    Guid Id,
    string Source,
    string Type,
    string Subject,
    DateTimeOffset Time,
    string DataContentType,
    string DataSchema,
    string? TraceParent,
    NotificationFacts Data);

/// <summary>The coded facts of a webhook endpoint; no patient data.</summary>
public sealed record NotificationFacts
{
    /// <summary>The endpoint this is about, as its owner created it.</summary>
    public required Guid EndpointId { get; init; }
    /// <summary>Institution that owns the endpoint: unified social credit code (GB 32100).</summary>
    public required string Institution { get; init; }
    /// <summary>Why it was switched off: <c>Gone</c> (it answered 410) or <c>Failing</c> (for days).</summary>
    public string? Reason { get; init; }
}

/// <summary>The vocabulary of the notification service: messages to the owners of webhook endpoints.</summary>
public static class NotificationEvents
{
    public const string Test = "endpoint.test";
    public const string Disabled = "endpoint.disabled";

    /// <summary>Members every notification event carries.</summary>
    public static readonly IReadOnlyList<string> Always = ["endpointId", "institution"];

    public static readonly IReadOnlyList<EventDefinition> All =
    [
        new(Test, "A ping that the endpoint's owner asked for."),
        new(Disabled, "An endpoint of the owner was switched off after days of failure.", "reason"),
    ];
}
