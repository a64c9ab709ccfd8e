using Referrals.Contracts;

namespace NotificationService;

/// <summary>What an event is judged by.</summary>
internal sealed record FilteredEvent(string Type, string? Direction, string? Priority, string? Department, IReadOnlyList<string> Institutions);

/// <summary>
/// What an endpoint wants. Each part narrows it: types are full types, or prefixes ending in <c>.*</c>; an empty part
/// lets everything pass, any other one only events that have the member.
/// </summary>
internal sealed record EventFilter
{
    private static readonly HashSet<string> Known =
    [
        .. ReferralEvents.All.Select(e => ReferralEvents.TypeOf(Referrals.Contracts.Direction.Up, e.Name)),
        .. ReferralEvents.All.Select(e => ReferralEvents.TypeOf(Referrals.Contracts.Direction.Down, e.Name)),
        SchedulingEvents.CapacityChanged,
        NotificationEvents.Disabled,
    ];

    public IReadOnlyList<string> Types { get; init; } = [];
    public string? Direction { get; init; }
    public IReadOnlyList<string> Priorities { get; init; } = [];
    /// <summary>Department codes; 03 stands for 03.01, too.</summary>
    public IReadOnlyList<string> Departments { get; init; } = [];
    /// <summary>Institutions of which one is a party beside the owner.</summary>
    public IReadOnlyList<string> Partners { get; init; } = [];

    /// <param name="masked">The reader may not learn the department: neither may it by what comes and what does not.</param>
    public bool Wants(FilteredEvent e, bool masked) =>
        WantsType(e.Type)
        && (Direction is null || Direction == e.Direction)
        && (Priorities.Count == 0 || e.Priority is not null && Priorities.Contains(e.Priority))
        && (Departments.Count == 0 || !masked && e.Department is { } department && Departments.Any(d => IsPartOf(department, d)))
        && (Partners.Count == 0 || e.Institutions.Any(Partners.Contains));

    private bool WantsType(string type)
    {
        if (Types.Count == 0)
            return true;
        foreach (var filter in Types)
            if (filter == type || IsPrefix(filter) && type.StartsWith(filter.AsSpan(..^1), StringComparison.Ordinal))
                return true;
        return false;
    }

    /// <summary>False for a filter that no event of ours can ever pass: most likely a slip of the pen.</summary>
    public static bool IsUsable(string filter) =>
        Known.Contains(filter) || IsPrefix(filter) && Known.Any(type => type.StartsWith(filter.AsSpan(..^1), StringComparison.Ordinal));

    private static bool IsPrefix(string filter) => filter.Length > 2 && filter.EndsWith(".*", StringComparison.Ordinal);

    private static bool IsPartOf(string department, string whole) =>
        department == whole || department.Length > whole.Length && department[whole.Length] == '.' && department.StartsWith(whole, StringComparison.Ordinal);
}
