using MassTransit;
using Referrals.Contracts;
using ServiceDefaults.Messaging;

namespace NotificationService;

/// <summary>Hears the free places of a department from the scheduling service.</summary>
internal sealed class WhenCapacityChanged(Intake intake) : IConsumer<HeardEvent>
{
    public static readonly Subscription Subscription = new("notification-scheduling-events",
        SchedulingEvents.Exchange, [SchedulingEvents.CapacityChanged], typeof(WhenCapacityChanged), Intake.Prefetch);

    public Task Consume(ConsumeContext<HeardEvent> context) =>
        intake.Store(context.Message, context.ReceiveContext.Body.GetString(), context.CancellationToken);
}
