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
    ];
}
