using System.Text.Json;
using Referrals.Contracts;
using ReferralService.Referrals;

namespace ReferralService.Tests.Machine;

/// <summary>What somebody knows of a referral who has heard its events and nothing else.</summary>
internal sealed record Replay
{
    public string State { get; private init; } = "";
    public long Sequence { get; private init; }
    public int Leg { get; private init; }
    public string Receiver { get; private init; } = "";
    public string Priority { get; private init; } = "";
    public string? Department { get; private init; }
    public Guid? Booking { get; private init; }
    public string? Outcome { get; private init; }
    public DateTimeOffset? ExpectedArrival { get; private init; }
    public int FollowUps { get; private init; }
    public bool? RehabEligible { get; private init; }
    public bool Acknowledged { get; private init; }
    public bool Accepted { get; private init; }

    private static readonly HashSet<string> Ends =
        ["completed", "advised", "converted", "reported", "declined", "cancelled", "expired", "closed"];

    /// <summary>The same row, read from the table.</summary>
    public static Replay Of(Referral r) => new()
    {
        State = r.State, Sequence = r.Sequence, Leg = r.Leg, Receiver = r.Receiver, Priority = r.Priority.ToString(),
        Department = r.Department, Booking = r.BookingId, Outcome = r.Outcome?.ToString(), ExpectedArrival = r.ExpectedArrival,
        FollowUps = r.FollowUpsDone, RehabEligible = r.RehabEligible, Acknowledged = r.AcknowledgedAt is not null,
        Accepted = r.AcceptedAt is not null,
    };

    /// <summary>What is known after one more event.</summary>
    public Replay Hear(string body)
    {
        using var json = JsonDocument.Parse(body);
        var data = json.RootElement.GetProperty("data");
        var name = ReferralEvents.NameOf(json.RootElement.GetProperty("type").GetString()!);
        string? Text(string member) => data.TryGetProperty(member, out var value) ? value.GetString() : null;

        var leg = data.GetProperty("leg").GetInt32();
        var booking = data.TryGetProperty("booking", out var held) && name is "scheduled" or "rescheduled"
            ? held.GetProperty("id").GetGuid()
            : name is "booking-cancelled" or "redirected" || Ends.Contains(name) ? (Guid?)null : Booking;
        return this with
        {
            State = Text("state")!, Sequence = data.GetProperty("sequence").GetInt64(), Leg = leg, Receiver = Text("receiver")!,
            Priority = Text("priority")!, Department = Text("department"), Booking = booking, Outcome = Text("outcome") ?? Outcome,
            ExpectedArrival = data.TryGetProperty("expectedArrival", out var arrival) ? arrival.GetDateTimeOffset() : ExpectedArrival,
            FollowUps = data.TryGetProperty("followUp", out var followUp) ? followUp.GetProperty("number").GetInt32() : FollowUps,
            RehabEligible = data.TryGetProperty("rehabEligible", out var eligible) ? eligible.GetBoolean() : RehabEligible,
            Acknowledged = name == "acknowledged" || name == "arrived" && Text("priority") == "Emergency"
                || Acknowledged && name is not ("redirected" or "made-emergency"),
            Accepted = name == "accepted" || Accepted && (name != "redirected" || Text("priority") == "Emergency"),
        };
    }
}
