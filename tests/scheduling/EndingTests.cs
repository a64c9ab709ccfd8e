using Referrals.Contracts;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class EndingTests(Scheduling scheduling)
{
    public static TheoryData<string, ReferralState> FinalStates => new()
    {
        { ReferralEvents.Completed, ReferralState.Completed },
        { ReferralEvents.Reported, ReferralState.Completed },
        { ReferralEvents.Converted, ReferralState.Completed },
        { ReferralEvents.Converted, ReferralState.Advised },
        { ReferralEvents.Advised, ReferralState.Advised },
        { ReferralEvents.Declined, ReferralState.Declined },
        { ReferralEvents.Cancelled, ReferralState.Cancelled },
        { ReferralEvents.Expired, ReferralState.Expired },
        { ReferralEvents.Closed, ReferralState.Closed },
    };

    [Theory]
    [MemberData(nameof(FinalStates))]
    public async Task Every_final_state_frees_the_slot_and_says_so(string name, ReferralState state)
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted(), referral.Ends(name, state));

        (await scheduling.Bookings(referral)).Should().ContainSingle().Which.State.Should().Be("Released");
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(0);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "released");
    }

    [Theory]
    [MemberData(nameof(FinalStates))]
    public async Task Every_final_state_ends_the_waiting(string name, ReferralState state)
    {
        var hospital = scheduling.NewInstitution();
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted(), referral.Ends(name, state));
        await hospital.Slot();

        (await scheduling.Waits(referral)).Should().BeFalse();
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task Arriving_burns_the_code_and_keeps_the_slot()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted(), referral.Arrived());

        var booking = (await scheduling.Bookings(referral)).Single();
        booking.State.Should().Be("Used");
        (await hospital.Booking(booking.Id)).TryGetProperty("appointmentCode", out _).Should().BeFalse();
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(1);
    }

    [Fact]
    public async Task A_used_slot_stays_used_when_the_referral_ends()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted(), referral.Arrived(), referral.Completed());

        (await scheduling.Bookings(referral)).Single().State.Should().Be("Used");
        (await scheduling.SaidTypes(referral)).Should().Equal("booked");
    }

    [Fact]
    public async Task A_bed_is_free_again_when_the_referral_ends_and_its_history_stays()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward();
        var (first, next) = (A.Referral(hospital).Needs("Bed"), A.Referral(hospital).Needs("Bed"));
        await scheduling.Hears(first.Accepted(), next.Accepted(), first.Arrived());
        scheduling.Clock.Advance(TimeSpan.FromMinutes(1));

        await scheduling.Hears(first.Completed());

        (await scheduling.SaidTypes(first)).Should().Equal("booked", "released");
        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
        (await scheduling.Database.Query<bool>("select not isempty(during) and upper(during) is not null from booking where referral_id = @Id", new { first.Id }))
            .Should().Equal(true);
    }

    [Fact]
    public async Task A_redirect_frees_the_old_leg_and_the_new_receivers_acceptance_books_the_new_one()
    {
        var (first, second) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await first.Slot();
        var there = await second.Slot();
        var referral = A.Referral(first);

        await scheduling.Hears(referral.Accepted(), referral.Redirected(second));
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "released");
        await scheduling.Hears(referral.Accepted());

        var live = (await scheduling.Bookings(referral)).Single(b => b.State == "Booked");
        live.SlotId.Should().Be(there);
        live.Leg.Should().Be(2);
    }

    [Fact]
    public async Task A_redirected_emergency_is_booked_at_the_new_receiver_at_once()
    {
        var (first, second) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await first.Ward();
        await second.Ward();
        var referral = A.Referral(first).Needs("Bed").Emergency();

        await scheduling.Hears(referral.InTransit(), referral.Redirected(second, ReferralState.InTransit));

        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "released", "booked");
        (await scheduling.Bookings(referral)).Count(b => b.State == "Booked").Should().Be(1);
    }

    [Fact]
    public async Task A_slot_that_comes_too_late_for_an_emergency_is_given_back_and_another_one_found()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 8);
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());
        var soon = await hospital.Slot(day: 0, hour: 12);

        await scheduling.Hears(referral.MadeEmergency());

        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "released", "booked");
        (await scheduling.Bookings(referral)).Single(b => b.State == "Booked").SlotId.Should().Be(soon);
    }

    [Fact]
    public async Task A_bed_that_is_kept_for_an_emergency_stays()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward();
        var referral = A.Referral(hospital).Needs("Bed").Within(Scheduling.Monday.AddDays(5), Scheduling.Monday.AddDays(9));

        await scheduling.Hears(referral.Accepted(), referral.MadeEmergency(), referral.Arrived());

        (await scheduling.SaidTypes(referral)).Should().Equal("booked");
        (await scheduling.Database.Query<bool>("select lower(during) < starts_at from booking where referral_id = @Id", new { referral.Id }))
            .Should().Equal([true], "the patient lies there from the hour he came");
    }

    [Fact]
    public async Task To_be_booked_again_never_gets_the_slot_that_was_given_back()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1);
        var later = await hospital.Slot(day: 2);
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted(), referral.Skips(1).BookingCancelled());

        (await scheduling.Bookings(referral)).Select(b => b.State).Should().BeEquivalentTo("Cancelled", "Booked");
        (await scheduling.Bookings(referral)).Single(b => b.State == "Booked").SlotId.Should().Be(later);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "booked");
    }

    [Fact]
    public async Task A_recorded_no_show_ends_the_booking_it_names()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());
        var booking = (await scheduling.Bookings(referral)).Single();

        await scheduling.Hears(referral.NoShow(booking.Id));

        (await scheduling.Bookings(referral)).Single().State.Should().Be("NoShow");
    }
}
