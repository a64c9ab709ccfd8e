using System.Reflection;
using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Referrals.Booking;

namespace Contracts.Tests;

/// <summary>One event as the contracts define it: what schemas, documents, table and golden files are made from.</summary>
/// <param name="Name">Name of its files, e.g. <c>referral.accepted</c>.</param>
/// <param name="Types">Values of the attribute <c>type</c>.</param>
/// <param name="Always">Members every event of the family may carry.</param>
/// <param name="Members">Members beyond those.</param>
internal sealed record EventType(
    string Name, string PublishedBy, Type Envelope, IReadOnlyList<string> Types, string Meaning,
    IReadOnlyList<string> Always, IReadOnlyList<string> Members)
{
    /// <summary>The last part: <c>accepted</c>.</summary>
    public string ShortName => ReferralEvents.NameOf(Name);
    public string DataSchema => CloudEvents.SchemaOf(Name);
    public Type Facts => Envelope.GetProperty("Data")!.PropertyType;

    /// <summary>The properties of the facts that this event may carry, in the order of the record.</summary>
    public IEnumerable<PropertyInfo> Allowed =>
        Facts.GetProperties().Where(p => Always.Concat(Members).Contains(NameOf(p)));

    public static string NameOf(MemberInfo member) => JsonNamingPolicy.CamelCase.ConvertName(member.Name);
}

/// <summary>All events of the contracts, and who hears them inside.</summary>
internal static class Catalogue
{
    public static readonly IReadOnlyList<EventType> Referral =
    [
        .. ReferralEvents.All.Select(e => new EventType("referral." + e.Name, "referral", typeof(ReferralEvent),
            [ReferralEvents.TypeOf(Direction.Up, e.Name), ReferralEvents.TypeOf(Direction.Down, e.Name)], e.Meaning,
            ReferralEvents.Always, e.Members)),
    ];

    public static readonly IReadOnlyList<EventType> Scheduling =
    [
        .. SchedulingEvents.All.Select(e => new EventType(e.Name, "scheduling", typeof(SchedulingEvent), [e.Name], e.Meaning,
            SchedulingEvents.Always, e.Members)),
    ];

    public static readonly IReadOnlyList<EventType> Notification =
    [
        .. NotificationEvents.All.Select(e => new EventType(e.Name, "notification", typeof(NotificationEvent), [e.Name], e.Meaning,
            NotificationEvents.Always, e.Members)),
    ];

    public static readonly IReadOnlyList<EventType> All = [.. Referral, .. Scheduling, .. Notification];

    public static readonly IReadOnlyList<string> Names = [.. All.Select(e => e.Name)];

    public static EventType Of(string name) => All.Single(e => e.Name == name);

    /// <summary>Events that institutions receive about their own referrals, places and endpoints.</summary>
    public static readonly IReadOnlyList<EventType> ForParties =
        [.. All.Where(e => e.PublishedBy != "scheduling" || e.Name == SchedulingEvents.CapacityChanged)];

    public static IReadOnlyList<string> HeardBy(EventType e)
    {
        var hearers = new List<string>();
        if (WhenSchedulingAnswers.Hears.Contains(e.Name))
            hearers.Add("referral");
        if (e.PublishedBy == "referral" && HeardByScheduling.Contains(e.ShortName))
            hearers.Add("scheduling");
        if (e.PublishedBy == "referral" || e.Name == SchedulingEvents.CapacityChanged)
            hearers.Add("notification");
        if (ForParties.Contains(e))
            hearers.Add(e.PublishedBy == "referral" ? "parties" : e.PublishedBy == "scheduling" ? "institution" : "owner");
        return hearers;
    }

    // WhenReferralMoved.Hears of the scheduling service
    private static readonly HashSet<string> HeardByScheduling =
    [
        ReferralEvents.Accepted, ReferralEvents.InTransit, ReferralEvents.BookingCancelled, ReferralEvents.Redirected,
        ReferralEvents.MadeEmergency, ReferralEvents.ArrivalChanged, ReferralEvents.PriorityRaised, ReferralEvents.PriorityLowered,
        ReferralEvents.CancellationRequested, ReferralEvents.CancellationTakenBack, ReferralEvents.CancellationRefused,
        ReferralEvents.Arrived, ReferralEvents.NoShow, ReferralEvents.Completed, ReferralEvents.Advised, ReferralEvents.Converted,
        ReferralEvents.Reported, ReferralEvents.Declined, ReferralEvents.Cancelled, ReferralEvents.Expired, ReferralEvents.Closed,
    ];
}
