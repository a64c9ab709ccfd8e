using MassTransit;

namespace NotificationService;

/// <summary>Hears every event of the referral service.</summary>
internal sealed class WhenReferralMoved(Intake intake) : IConsumer<HeardEvent>
{
    // the bytes are kept as they came: the log, the webhooks and the stream send exactly these
    public Task Consume(ConsumeContext<HeardEvent> context) =>
        intake.Store(context.Message, context.ReceiveContext.Body.GetString(), context.CancellationToken);
}
