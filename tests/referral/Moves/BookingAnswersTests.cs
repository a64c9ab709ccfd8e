using FluentAssertions;
using Referrals.Contracts;
using Xunit;

namespace ReferralService.Tests.Moves;

/// <summary>What scheduling says, and what it says too late.</summary>
[Collection("referral")]
public sealed class BookingAnswersTests(ReferralHost host)
{
    [Fact]
    public async Task Nothing_free_means_waiting_and_a_place_that_becomes_free_is_booked()
    {
        var referral = await A.Accepted(host);
        await referral.Hears(SchedulingEvents.NoCapacity, attempt: 1);
        await referral.Reaches("Waitlisted");
        referral.Actions.Should().Contain(["redirect", "dispatch"]);
        await referral.Booked(attempt: 2);
        (await referral.Events()).Should().Equal("submitted", "accepted", "waitlisted", "scheduled");
    }

    [Fact]
    public async Task The_same_answer_twice_and_an_older_one_change_nothing()
    {
        var referral = await A.Accepted(host);
        var (message, booking) = (Guid.NewGuid(), Guid.NewGuid());
        await referral.Hears(SchedulingEvents.Booked, attempt: 3, booking, id: message);
        await referral.Reaches("Scheduled");
        await referral.Hears(SchedulingEvents.Booked, attempt: 3, booking, id: message);
        await referral.Hears(SchedulingEvents.Booked, attempt: 2);
        await referral.Hears(SchedulingEvents.NoCapacity, attempt: 1);
        await referral.Hears(SchedulingEvents.BookingCancelled, attempt: 4, booking: Guid.NewGuid());
        await referral.Hears(SchedulingEvents.NoShow, attempt: 5, booking: Guid.NewGuid());
        await Task.Delay(400);
        var view = await referral.Look();
        view.GetProperty("state").GetString().Should().Be("Scheduled");
        view.GetProperty("booking").GetProperty("id").GetGuid().Should().Be(booking);
        (await referral.Events()).Should().Equal("submitted", "accepted", "scheduled");
    }

    [Fact]
    public async Task Another_slot_is_told_as_another_one()
    {
        var referral = await A.Scheduled(host);
        await referral.Hears(SchedulingEvents.Rescheduled, attempt: 2);
        await TestKit.Eventually.Is(async () => (await referral.Events())[^1] == "rescheduled", "it hears of the other slot");
        referral.State.Should().Be("Scheduled");
    }

    [Fact]
    public async Task A_booking_that_falls_away_is_to_be_booked_again()
    {
        var referral = await A.Accepted(host);
        var booking = Guid.NewGuid();
        await referral.Booked(booking: booking);
        await referral.Hears(SchedulingEvents.BookingCancelled, attempt: 2, booking);
        await referral.Reaches("Accepted");
        await referral.Booked(attempt: 3);
    }

    [Fact]
    public async Task The_bed_of_an_emergency_is_found_while_the_patient_is_on_the_way()
    {
        var emergency = await A.Emergency(host);
        await emergency.Hears(SchedulingEvents.Booked, attempt: 1);
        await TestKit.Eventually.Is(async () => (await emergency.Events())[^1] == "scheduled", "it hears of its first bed");
        (await emergency.Look()).GetProperty("state").GetString().Should().Be("InTransit");
        await emergency.Hears(SchedulingEvents.Rescheduled, attempt: 2);
        await TestKit.Eventually.Is(async () => (await emergency.Events())[^1] == "rescheduled", "it hears of another bed");
    }

    [Fact]
    public async Task An_answer_after_the_end_changes_nothing()
    {
        var referral = await (await A.Accepted(host)).Does("withdraw-acceptance");
        await referral.Hears(SchedulingEvents.Booked, attempt: 1);
        await Task.Delay(300);
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Declined");
    }

    [Fact]
    public async Task A_patient_checked_in_at_the_desk_by_his_code_has_arrived()
    {
        var (referral, booking) = (await A.Accepted(host), Guid.NewGuid());
        await referral.Booked(codeHash: "hash-of-the-code", booking: booking);

        await referral.Hears(SchedulingEvents.CheckedIn, attempt: 2, booking, codeHash: "hash-of-the-code");

        await referral.Reaches("Arrived");
        (await referral.Events())[^1].Should().Be("arrived");
    }

    [Fact]
    public async Task A_check_in_that_overtakes_its_booking_waits_for_it()
    {
        var (referral, booking) = (await A.Accepted(host), Guid.NewGuid());

        await referral.Hears(SchedulingEvents.CheckedIn, attempt: 2, booking, codeHash: "hash-of-the-code");
        await referral.Hears(SchedulingEvents.Booked, attempt: 1, booking, codeHash: "hash-of-the-code");

        await referral.Reaches("Arrived");
    }

    [Fact]
    public async Task A_check_in_with_the_code_of_an_earlier_booking_changes_nothing()
    {
        var (referral, booking) = (await A.Accepted(host), Guid.NewGuid());
        await referral.Booked(codeHash: "hash-of-the-code", booking: booking);

        await referral.Hears(SchedulingEvents.CheckedIn, attempt: 2, booking, codeHash: "hash-of-another");

        await Task.Delay(300);
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Scheduled");
    }
}
