namespace Referrals.Contracts;

/// <summary>The vocabulary of the notification service: messages to the owners of webhook endpoints.</summary>
public static class NotificationEvents
{
    public const string Test = "endpoint.test";
    public const string Disabled = "endpoint.disabled";

    public static readonly IReadOnlyList<EventDefinition> All =
    [
        new(Test, "A ping that the endpoint's owner asked for."),
        new(Disabled, "An endpoint of the owner was switched off after days of failure."),
    ];
}
