using Referrals.Contracts;

namespace NotificationService;

/// <summary>Which event types an endpoint wants: full types, or prefixes ending in <c>.*</c>; none means all.</summary>
internal static class EventFilter
{
    private static readonly HashSet<string> Known =
    [
        .. ReferralEvents.All.Select(e => ReferralEvents.TypeOf(Direction.Up, e.Name)),
        .. ReferralEvents.All.Select(e => ReferralEvents.TypeOf(Direction.Down, e.Name)),
        SchedulingEvents.CapacityChanged,
        NotificationEvents.Disabled,
    ];

    public static bool Wants(IReadOnlyList<string> filters, string type)
    {
        if (filters.Count == 0)
            return true;
        foreach (var filter in filters)
            if (filter == type || IsPrefix(filter) && type.StartsWith(filter.AsSpan(..^1), StringComparison.Ordinal))
                return true;
        return false;
    }

    /// <summary>False for a filter that no event of ours can ever pass: most likely a slip of the pen.</summary>
    public static bool IsUsable(string filter) =>
        Known.Contains(filter) || IsPrefix(filter) && Known.Any(type => type.StartsWith(filter.AsSpan(..^1), StringComparison.Ordinal));

    private static bool IsPrefix(string filter) => filter.Length > 2 && filter.EndsWith(".*", StringComparison.Ordinal);
}
