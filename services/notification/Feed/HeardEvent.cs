namespace NotificationService;

/// <summary>
/// What this service reads of an event: where it belongs in the order and who is a party. Everything else is passed
/// on unread, so that an event type, member or value of a later version needs no change here.
/// </summary>
internal sealed record HeardEvent
{
    public Guid Id { get; init; }
    public string? Type { get; init; }
    public string? Subject { get; init; }
    public DateTimeOffset Time { get; init; }
    public HeardFacts? Data { get; init; }

    public bool IsOfReferral => Type!.StartsWith("referral.", StringComparison.Ordinal);

    /// <summary>What is missing for the log, or null. An event without it is for the error queue.</summary>
    public string? Missing =>
        Id == Guid.Empty ? "id"
        : string.IsNullOrEmpty(Type) ? "type"
        : Time == default ? "time"
        : Data is null ? "data"
        : !IsOfReferral ? Data.Institution is null ? "data.institution" : null
        : Data.Id is null ? "data.id"
        : Data.Sequence is not > 0 ? "data.sequence"
        : Data.Sender is null ? "data.sender"
        : Data.Receiver is null ? "data.receiver"
        : null;
}

/// <summary>The members of an event's data that decide order, parties and filters; values stay text.</summary>
internal sealed record HeardFacts
{
    public Guid? Id { get; init; }
    public long? Sequence { get; init; }
    public string? Sender { get; init; }
    public string? Receiver { get; init; }
    public string? PreviousReceiver { get; init; }
    public string? Institution { get; init; }
    public string? OnBehalfOf { get; init; }
    public string? AllianceOffice { get; init; }
    public string? Direction { get; init; }
    public string? Priority { get; init; }
    public string? Department { get; init; }
    public string? PatientClass { get; init; }
    public string? State { get; init; }
    public string? Reason { get; init; }
    public IReadOnlyList<string>? Flags { get; init; }
    public HeardDeadline? Deadline { get; init; }
    public Guid? EndpointId { get; init; }
}

/// <summary>Which timer an event is about.</summary>
internal sealed record HeardDeadline(string? Timer);

/// <summary>An institution that may read an event.</summary>
/// <param name="Masked">It acted, for example for a member, but is no party: the sensitive members are left out.</param>
internal sealed record Party(string Institution, bool Masked)
{
    /// <summary>Every institution an event names.</summary>
    public static IReadOnlyList<string> Names(params ReadOnlySpan<string?> institutions)
    {
        var names = new List<string>(institutions.Length);
        foreach (var institution in institutions)
            if (institution is not null)
                names.Add(institution);
        return names;
    }

    /// <summary>Sender, receiver and the receiver a redirect left behind; whoever else acted reads it masked.</summary>
    public static IReadOnlyList<Party> Of(bool sensitive, string? sender, string? receiver, string? previousReceiver,
        string? institution, string? onBehalfOf)
    {
        var parties = new List<Party>(4);
        Add(sender, false);
        Add(receiver, false);
        Add(previousReceiver, false);
        // a capacity or an endpoint has no sides: it belongs to the institution it names
        var witness = sensitive && parties.Count > 0;
        Add(institution, witness);
        Add(onBehalfOf, witness);
        return parties;

        void Add(string? name, bool masked)
        {
            if (name is not null && !parties.Exists(p => p.Institution == name))
                parties.Add(new(name, masked));
        }
    }
}
