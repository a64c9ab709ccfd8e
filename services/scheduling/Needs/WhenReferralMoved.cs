using MassTransit;
using Referrals.Contracts;
using ServiceDefaults.Messaging;

namespace SchedulingService.Needs;

/// <summary>Hears what changes the need for a place.</summary>
internal sealed class WhenReferralMoved(News news) : IConsumer<HeardEvent>
{
    /// <summary>Every event that may change what a referral needs; the others are never delivered here.</summary>
    public static readonly IReadOnlyList<string> Hears =
    [
        // wants a place, again or for the first time
        ReferralEvents.Accepted, ReferralEvents.InTransit, ReferralEvents.BookingCancelled, ReferralEvents.Redirected,
        ReferralEvents.MadeEmergency, ReferralEvents.ArrivalChanged,
        // moves in the line, or leaves it for the time being
        ReferralEvents.PriorityRaised, ReferralEvents.PriorityLowered, ReferralEvents.CancellationRequested,
        ReferralEvents.CancellationTakenBack, ReferralEvents.CancellationRefused,
        // used or missed
        ReferralEvents.Arrived, ReferralEvents.NoShow,
        // over
        ReferralEvents.Completed, ReferralEvents.Advised, ReferralEvents.Converted, ReferralEvents.Reported,
        ReferralEvents.Declined, ReferralEvents.Cancelled, ReferralEvents.Expired, ReferralEvents.Closed,
    ];

    public static readonly Subscription Subscription = new("scheduling-referral-events", ReferralEvents.Exchange,
        [.. Hears.Select(name => "referral.*." + name)], typeof(WhenReferralMoved));

    public Task Consume(ConsumeContext<HeardEvent> context) =>
        Hears.Contains(ReferralEvents.NameOf(context.Message.Type)) ? news.Take(context.Message) : Task.CompletedTask;
}
