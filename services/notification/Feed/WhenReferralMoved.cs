using MassTransit;
using Referrals.Contracts;
using ServiceDefaults.Messaging;

namespace NotificationService;

/// <summary>Hears every event of the referral service.</summary>
internal sealed class WhenReferralMoved(Intake intake) : IConsumer<HeardEvent>
{
    public static readonly Subscription Subscription = new("notification-referral-events",
        ReferralEvents.Exchange, ["referral.#"], typeof(WhenReferralMoved), Intake.Prefetch);

    // the bytes are kept as they came: the log, the webhooks and the stream send exactly these
    public Task Consume(ConsumeContext<HeardEvent> context) =>
        intake.Store(context.Message, context.ReceiveContext.Body.GetString(), context.CancellationToken);
}
