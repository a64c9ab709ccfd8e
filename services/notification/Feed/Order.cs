namespace NotificationService;

/// <summary>An event that was heard and waits for its place in the log.</summary>
internal sealed record Arrival
{
    public long Id { get; init; }
    public Guid EventId { get; init; }
    public string Type { get; init; } = "";
    public Guid? ReferralId { get; init; }
    public long? Sequence { get; init; }
    public string? Sender { get; init; }
    public string? Receiver { get; init; }
    public string? PreviousReceiver { get; init; }
    public string? Institution { get; init; }
    public string? OnBehalfOf { get; init; }
    public string? Direction { get; init; }
    public string? Priority { get; init; }
    public string? Department { get; init; }
    public bool Sensitive { get; init; }
    public DateTimeOffset? HoldUntil { get; init; }
    /// <summary>The last sequence number of its referral that stands in the log.</summary>
    public long Told { get; init; }

    public FilteredEvent Filtered =>
        new(Type, Direction, Priority, Department, Party.Names(Sender, Receiver, PreviousReceiver, Institution, OnBehalfOf));
}

/// <summary>What is irregular about an event's place in the log.</summary>
internal enum Irregular
{
    /// <summary>An earlier event of the referral is missing and was waited for long enough.</summary>
    Gap,
    /// <summary>A later event of the referral stands in the log already.</summary>
    Late,
}

/// <summary>Which arrivals go into the log now, in this order, and which are held until when.</summary>
internal sealed record Turn(IReadOnlyList<(Arrival Arrival, Irregular? Irregular)> Told, IReadOnlyList<(long Id, DateTimeOffset Until)> Held);

/// <summary>
/// Restores the order within each referral: n+1 waits for n, but not for ever. What comes after it was given up is
/// told late rather than not at all; its sequence number says so to every reader.
/// </summary>
internal static class Order
{
    public static Turn Decide(IReadOnlyList<Arrival> arrivals, DateTimeOffset now, TimeSpan patience)
    {
        var told = new List<(Arrival, Irregular?)>(arrivals.Count);
        var held = new List<(long, DateTimeOffset)>();
        foreach (var referral in arrivals.OrderBy(a => a.Id).GroupBy(a => a.ReferralId))
        {
            if (referral.Key is null)
            {
                told.AddRange(referral.Select(a => (a, (Irregular?)null)));
                continue;
            }
            var last = referral.Max(a => a.Told);
            // whatever ran out of patience takes along what stands before it
            var givenUp = referral.Where(a => a.HoldUntil <= now).Max(a => a.Sequence) ?? 0;
            foreach (var arrival in referral.OrderBy(a => a.Sequence).ThenBy(a => a.Id))
            {
                var sequence = arrival.Sequence!.Value;
                if (sequence <= last)
                    told.Add((arrival, Irregular.Late));
                else if (sequence == last + 1)
                    told.Add((arrival, null));
                else if (sequence <= givenUp)
                    told.Add((arrival, Irregular.Gap));
                else
                {
                    held.Add((arrival.Id, arrival.HoldUntil ?? now + patience));
                    continue;
                }
                last = Math.Max(last, sequence);
            }
        }
        return new(told, held);
    }
}
