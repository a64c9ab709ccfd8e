using Faults.Cases;

namespace Faults;

/// <summary>Every case by its name; README.md says what each keeps.</summary>
internal static class Catalogue
{
    public static readonly IReadOnlyList<Case> All =
    [
        new("X1", "kill -9 of each service in mid-transaction", KilledServices.Run),
        new("X2", "broker stopped under load", BrokerStopped.Run),
        new("X3", "PostgreSQL restarted under load, fast and immediate", DatabaseRestarted.Run),
        new("X4", "the same request fifty times at once", RepeatedRequests.Run),
        new("X5", "the same message delivered again and again", RepeatedMessages.Run),
        new("X6", "events out of order", OutOfOrder.Run),
        new("X7", "poisoned messages", PoisonedMessages.Run),
        new("X8", "a consumer that is slow", SlowConsumer.Run),
        new("X9", "a webhook receiver that fails and heals", FailingReceiver.Run),
        new("X10", "webhook receivers that hang, drip and flood", HangingReceiver.Run),
        new("X11", "webhooks into our own networks", ForbiddenAddresses.Run),
        new("X12", "two hundred clients at once", Overload.Run),
        new("X13", "two hundred clients for one slot", OneSlot.Run),
        new("X14", "clocks ten minutes off", ClockSkew.Run, Alone: true),
        new("X15", "a full disk under PostgreSQL", DiskFull.Run, Alone: true),
        new("X16", "two clerks with the same ETag", LostUpdate.Run),
        new("X17", "institutions that are no party", Strangers.Run),
        new("X18", "forged tokens", ForgedTokens.Run),
        new("X19", "members and states that are not the caller's", MassAssignment.Run),
        new("X20", "statements typed into filters", Injection.Run),
        new("X21", "bodies that are huge, broken, slow or lies", BadBodies.Run),
        new("X25", "an upgrade with traffic", Upgrade.Run, Alone: true),
        new("X27", "started without what is needed", Defaults.Run),
        new("X28", "one of two instances killed while the other works", LostReplica.Run),
    ];
}
