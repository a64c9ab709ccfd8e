using System.Text.Json;
using Referrals.Contracts;
using ServiceDefaults;

namespace NotificationService.Tests;

/// <summary>An event as its publisher writes it.</summary>
internal sealed record TestEvent(Guid Id, string Type, string Exchange, long Sequence, string Body);

internal static class A
{
    /// <summary>A code of the form of a unified social credit code; a new one each time.</summary>
    public static string Institution() => "91" + Random.Shared.NextInt64(10_000_000_000_000_00, 99_999_999_999_999_99);

    public static TestReferral Referral(string? sender = null, string? receiver = null) => new()
    {
        Sender = sender ?? Institution(), Receiver = receiver ?? Institution(),
    };

    public static TestEvent Capacity(string institution)
    {
        var id = Guid.CreateVersion7();
        var facts = new SchedulingFacts { Institution = institution, Department = "03", Resource = "Slot", Free = [new(new(2026, 3, 2), 4)] };
        return new(id, SchedulingEvents.CapacityChanged, SchedulingEvents.Exchange, 0, Envelope(id, SchedulingEvents.CapacityChanged, institution, null, facts));
    }

    internal static string Envelope(Guid id, string type, string subject, long? sequence, object data) => JsonSerializer.Serialize(new
    {
        specversion = "1.0", id, source = type.StartsWith("referral.", StringComparison.Ordinal) ? "/referral" : "/scheduling", type, subject,
        time = new DateTimeOffset(2026, 3, 1, 9, 30, 0, TimeSpan.FromHours(8)),
        datacontenttype = "application/json", dataschema = CloudEvents.SchemaOf(type.StartsWith("referral.", StringComparison.Ordinal) ? "referral." + ReferralEvents.NameOf(type) : type),
        sequence = sequence?.ToString(), sequencetype = sequence is null ? null : CloudEvents.SequenceType, data,
    }, Json.Lenient);
}

/// <summary>A referral that tells what happens to it, one sequence number after the other.</summary>
internal sealed class TestReferral
{
    private long _sequence;

    public Guid Id { get; } = Guid.CreateVersion7();
    public string No { get; } = "ZZ" + Random.Shared.NextInt64(1_000_000_000, 9_999_999_999);
    public required string Sender { get; init; }
    public required string Receiver { get; init; }

    public TestEvent Next(string name, Func<ReferralFacts, ReferralFacts>? with = null)
    {
        var id = Guid.CreateVersion7();
        var type = ReferralEvents.TypeOf(Direction.Up, name);
        var facts = new ReferralFacts
        {
            Id = Id, ReferralNo = No, EpisodeId = Id, Direction = Direction.Up, Kind = ReferralKind.OutpatientTransfer,
            Priority = Priority.Routine, State = ReferralState.Submitted, Sequence = ++_sequence, Leg = 1,
            Sender = Sender, Receiver = Receiver, Institution = Sender, Department = "03",
        };
        return new(id, type, ReferralEvents.Exchange, _sequence, A.Envelope(id, type, No, _sequence, with?.Invoke(facts) ?? facts));
    }

    /// <summary>The first events of a straight referral.</summary>
    public TestEvent[] Story(int length = 4) =>
        [.. new[] { "submitted", "triage-started", "accepted", "scheduled", "arrived", "treatment-started", "treated", "completed" }.Take(length).Select(n => Next(n))];
}
