using MassTransit;

namespace NotificationService;

/// <summary>Hears the free places of a department from the scheduling service.</summary>
internal sealed class WhenCapacityChanged(Intake intake) : IConsumer<HeardEvent>
{
    public Task Consume(ConsumeContext<HeardEvent> context) =>
        intake.Store(context.Message, context.ReceiveContext.Body.GetString(), context.CancellationToken);
}
