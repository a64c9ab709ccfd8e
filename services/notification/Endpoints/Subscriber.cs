namespace NotificationService;

/// <summary>An endpoint as far as it decides which events become messages.</summary>
internal sealed record Subscriber
{
    private EventFilter? _filter;

    public Guid Id { get; init; }
    public string Institution { get; init; } = "";
    public string[] Types { get; init; } = [];
    public string? Direction { get; init; }
    public string[] Priorities { get; init; } = [];
    public string[] Departments { get; init; } = [];
    public string[] Partners { get; init; } = [];
    public bool InOrder { get; init; }

    public EventFilter Filter => _filter ??= new()
    {
        Types = Types, Direction = Direction, Priorities = Priorities, Departments = Departments, Partners = Partners,
    };

    public const string Columns = "id, institution, types, direction, priorities, departments, partners, in_order";
}
