using System.Text.Json;
using System.Text.Json.Nodes;
using Referrals.Contracts;
using SchedulingService.Needs;
using ServiceDefaults;

namespace SchedulingService.Tests.Kit;

/// <summary>Starts a sentence: <c>A.Referral(from, to)</c>.</summary>
internal static class A
{
    public static AReferral Referral(Institution to, Institution? from = null) => new(to.Code, from?.Code ?? "SENDER" + Guid.NewGuid().ToString("n")[..8]);
}

/// <summary>A referral as the referral service tells of it: each verb is its next event.</summary>
internal sealed class AReferral(string receiver, string sender)
{
    private static int _number;

    private long _sequence = 1;
    private int _leg = 1;
    private string _receiver = receiver;
    private ReferralState _state = ReferralState.Submitted;
    private Priority _priority;
    private bool _contracted;
    private bool _synthetic;
    private string _department = "03.03";
    private string _resource = "Slot";
    private string[] _eligibility = [];
    private BookingWindow _window = new(Scheduling.Monday, Scheduling.Monday.AddDays(14));
    private TimeSpan _later;

    public Guid Id { get; } = Guid.NewGuid();
    public string No { get; } = $"ZZ{Interlocked.Increment(ref _number):00000000}";
    public string Sender => sender;
    public string Receiver => _receiver;

    public AReferral Urgent() { _priority = Priority.Urgent; return this; }
    public AReferral Emergency() { _priority = Priority.Emergency; return this; }
    public AReferral Contracted() { _contracted = true; return this; }
    public AReferral Synthetic() { _synthetic = true; return this; }
    public AReferral Department(string code) { _department = code; return this; }
    public AReferral Needs(string resource, params string[] eligibility) { (_resource, _eligibility) = (resource, eligibility); return this; }
    public AReferral Within(DateTimeOffset from, DateTimeOffset until) { _window = new(from, until); return this; }
    /// <summary>Its events happen this much later than Monday.</summary>
    public AReferral Later(TimeSpan by) { _later = by; return this; }
    /// <summary>Events that scheduling does not hear take numbers, too.</summary>
    public AReferral Skips(int numbers) { _sequence += numbers; return this; }

    public ReferralEvent Accepted() => Asks(ReferralEvents.Accepted, ReferralState.Accepted);
    public ReferralEvent InTransit() => Asks(ReferralEvents.InTransit, ReferralState.InTransit);
    public ReferralEvent BookingCancelled() => Asks(ReferralEvents.BookingCancelled, ReferralState.Accepted);
    public ReferralEvent MadeEmergency() { _priority = Priority.Emergency; return Says(ReferralEvents.MadeEmergency, ReferralState.InTransit); }
    public ReferralEvent ArrivalChanged(DateTimeOffset to) => Says(ReferralEvents.ArrivalChanged, ReferralState.InTransit, f => f with { ExpectedArrival = to });
    public ReferralEvent PriorityRaised() { _priority = Priority.Urgent; return Says(ReferralEvents.PriorityRaised, _state); }
    public ReferralEvent CancellationRequested() => Says(ReferralEvents.CancellationRequested, ReferralState.CancellationRequested);
    public ReferralEvent CancellationRefused(ReferralState back) => Says(ReferralEvents.CancellationRefused, back);
    public ReferralEvent Arrived() => Says(ReferralEvents.Arrived, ReferralState.Arrived);
    public ReferralEvent NoShow(Guid booking) => Says(ReferralEvents.NoShow, ReferralState.NoShow, f => f with { Booking = new(booking, _resource, _window.From, _window.Until) });
    public ReferralEvent Ends(string name, ReferralState state) => Says(name, state);
    public ReferralEvent Cancelled() => Ends(ReferralEvents.Cancelled, ReferralState.Cancelled);
    public ReferralEvent Completed() => Ends(ReferralEvents.Completed, ReferralState.Completed);

    public ReferralEvent Redirected(Institution to, ReferralState state = ReferralState.Submitted)
    {
        var from = _receiver;
        _leg++;
        _receiver = to.Code;
        var redirected = Asks(ReferralEvents.Redirected, state);
        return redirected with { Data = redirected.Data with { PreviousReceiver = from } };
    }

    private ReferralEvent Asks(string name, ReferralState state) => Says(name, state, f => f with
    {
        Resource = _resource, Window = _window, Eligibility = _eligibility.Length == 0 ? null : _eligibility,
        Contracted = _contracted && name != ReferralEvents.InTransit ? true : null,
    });

    public ReferralEvent Says(string name, ReferralState state, Func<ReferralFacts, ReferralFacts>? more = null)
    {
        _state = state;
        _sequence++;
        var direction = _resource is "Ward" or "Visit" ? Direction.Down : Direction.Up;
        var facts = new ReferralFacts
        {
            Id = Id, ReferralNo = No, EpisodeId = Id, Direction = direction,
            Kind = direction == Direction.Down ? ReferralKind.RehabReturn : ReferralKind.OutpatientTransfer,
            Priority = _priority, State = state, Sequence = _sequence, Leg = _leg, Sender = sender, Receiver = _receiver,
            Department = _department, Synthetic = _synthetic,
        };
        return new("1.0", Guid.NewGuid(), "/referral", ReferralEvents.TypeOf(direction, name), No,
            Scheduling.Monday + _later + TimeSpan.FromSeconds(_sequence), "application/json", CloudEvents.SchemaOf("referral." + name),
            _sequence.ToString(), CloudEvents.SequenceType, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", more?.Invoke(facts) ?? facts);
    }

    /// <summary>The bytes the referral service would send: attributes in lower case, as CloudEvents wants them.</summary>
    public static string Write(ReferralEvent heard)
    {
        var body = new JsonObject();
        foreach (var (name, value) in JsonSerializer.SerializeToNode(heard, Json.Lenient)!.AsObject())
            body[name.ToLowerInvariant()] = value?.DeepClone();
        return body.ToJsonString();
    }

    /// <summary>What scheduling reads of it.</summary>
    public static HeardEvent Read(ReferralEvent heard) => JsonSerializer.Deserialize<HeardEvent>(Write(heard), Json.Lenient)!;
}

internal static class Hearing
{
    public static Need Hear(this Need need, ReferralEvent heard) => need.Hear(AReferral.Read(heard));
}
