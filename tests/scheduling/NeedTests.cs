using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Needs;

namespace SchedulingService.Tests;

public sealed class NeedTests
{
    public static TheoryData<string, int> Histories => new()
    {
        { "booked and over", 0 }, { "redirected", 1 }, { "emergency", 2 }, { "missed and moved", 3 }, { "cancellation refused", 4 },
    };

    [Theory]
    [MemberData(nameof(Histories))]
    public void Any_order_of_hearing_leads_to_the_same_need(string name, int history)
    {
        var events = Tell(history);
        var inOrder = Fold(events);

        foreach (var order in Permutations(events))
            Fold(order).Should().BeEquivalentTo(inOrder, because: $"{name}: {string.Join(", ", order.Select(e => e.Type))}");
    }

    [Theory]
    [MemberData(nameof(Histories))]
    public void Hearing_an_event_again_changes_nothing(string name, int history)
    {
        var events = Tell(history);
        var need = Fold(events);

        foreach (var heard in events)
            need.Hear(heard).Should().BeEquivalentTo(need, because: name);
    }

    [Theory]
    [InlineData(ReferralState.Accepted, true)]
    [InlineData(ReferralState.Waitlisted, true)]
    [InlineData(ReferralState.InTransit, true)]
    [InlineData(ReferralState.Submitted, false)]
    [InlineData(ReferralState.Scheduled, false)]
    [InlineData(ReferralState.NoShow, false)]
    [InlineData(ReferralState.CancellationRequested, false)]
    [InlineData(ReferralState.Arrived, false)]
    [InlineData(ReferralState.Completed, false)]
    public void A_place_is_wanted_from_acceptance_until_something_is_held(ReferralState state, bool wants) =>
        (Fold([Referral().Accepted()]) with { State = state }).Wants.Should().Be(wants);

    [Fact]
    public void An_emergency_made_of_something_slower_wants_its_place_within_a_day()
    {
        var referral = Referral();
        var accepted = referral.Accepted();
        var emergency = referral.MadeEmergency();

        Fold([accepted, emergency]).Window.Should().Be(new BookingWindow(emergency.Time, emergency.Time.AddDays(1)));
    }

    [Theory]
    [InlineData(ReferralState.Completed, BookingState.Used, nameof(Fate.IsReleased))]
    [InlineData(ReferralState.Closed, BookingState.Booked, nameof(Fate.IsReleased))]
    [InlineData(ReferralState.Submitted, BookingState.Booked, nameof(Fate.IsReleased))]
    [InlineData(ReferralState.Arrived, BookingState.Booked, nameof(Fate.IsUsed))]
    [InlineData(ReferralState.FollowUp, BookingState.Used, nameof(Fate.Stays))]
    [InlineData(ReferralState.Scheduled, BookingState.Booked, nameof(Fate.Stays))]
    [InlineData(ReferralState.CancellationRequested, BookingState.Booked, nameof(Fate.Stays))]
    [InlineData(ReferralState.InTransit, BookingState.Booked, nameof(Fate.Stays))]
    internal void The_state_of_the_referral_decides_what_becomes_of_its_booking(ReferralState state, BookingState booking, string fate)
    {
        var need = Fold([Referral().Accepted()]) with { State = state };
        Reconcile.FateOf(BookingOf(need) with { State = booking }, need, missed: null).ToString().Should().Be(fate);
    }

    [Fact]
    public void A_booking_made_after_to_be_booked_again_stays_and_one_made_before_is_dropped()
    {
        var referral = Referral();
        var accepted = Fold([referral.Accepted()]);
        var again = accepted.Hear(referral.BookingCancelled());

        Reconcile.FateOf(BookingOf(accepted), again, missed: null).Should().Be(Fate.IsDropped);
        Reconcile.FateOf(BookingOf(again), again, missed: null).Should().Be(Fate.Stays);
    }

    [Fact]
    public void Wherever_it_was_is_remembered_although_nothing_was_heard_from_there()
    {
        var referral = Referral().Synthetic();
        var need = Fold([referral.Redirected(new(null!, "SECOND")), referral.Redirected(new(null!, "THIRD"))]);

        need.Tried.Should().Equal("RECEIVER", "SECOND", "THIRD");
        need.Synthetic.Should().BeTrue();
    }

    private static ReferralEvent[] Tell(int history)
    {
        var referral = Referral().Contracted();
        return history switch
        {
            0 => [referral.Accepted(), referral.PriorityRaised(), referral.InTransit(), referral.Arrived(), referral.Completed()],
            1 => [referral.Accepted(), referral.BookingCancelled(), referral.Redirected(new(null!, "OTHER")), referral.Accepted(), referral.Cancelled()],
            2 => [referral.Accepted(), referral.MadeEmergency(), referral.InTransit(), referral.Arrived()],
            3 => [referral.Accepted(), referral.InTransit(), referral.NoShow(Guid.NewGuid()), referral.ArrivalChanged(Scheduling.Monday.AddDays(20)), referral.Arrived()],
            _ => [referral.Accepted(), referral.CancellationRequested(), referral.CancellationRefused(ReferralState.Accepted), referral.BookingCancelled()],
        };
    }

    private static AReferral Referral() => new("RECEIVER", "SENDER");

    private static Need Fold(IReadOnlyList<ReferralEvent> events) =>
        events.Skip(1).Aggregate(Need.Of(AReferral.Read(events[0])), (need, heard) => need.Hear(heard));

    private static Booking BookingOf(Need need) => new()
    {
        Id = Guid.NewGuid(), ReferralId = need.ReferralId, Leg = need.Leg, Institution = need.Receiver, Department = "03.03",
        Resource = "Slot", SlotId = Guid.NewGuid(), StartsAt = Scheduling.Monday, EndsAt = Scheduling.Monday.AddHours(1),
        State = BookingState.Booked, HeardSequence = need.Sequence,
    };

    private static IEnumerable<ReferralEvent[]> Permutations(ReferralEvent[] events) =>
        events.Length == 1 ? [events]
            : events.SelectMany((first, at) => Permutations([.. events[..at], .. events[(at + 1)..]]).Select(rest => (ReferralEvent[])[first, .. rest]));
}
