using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Referrals.Contracts;
using ServiceDefaults;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class AcceptedTests(Scheduling scheduling)
{
    [Fact]
    public async Task Accepting_books_the_earliest_fitting_slot()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 3);
        var early = await hospital.Slot(day: 1);
        await hospital.Slot(day: 0, department: "03.04");
        await hospital.Slot(day: 0, resource: "Equipment");
        await scheduling.NewInstitution().Slot(day: 0);
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted());

        var booking = (await scheduling.Bookings(referral)).Should().ContainSingle().Subject;
        booking.SlotId.Should().Be(early);
        booking.State.Should().Be("Booked");
    }

    [Fact]
    public async Task Booked_says_place_time_and_a_hash_that_only_the_code_fits()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1, hour: 1, clinician: "dr-1");
        var referral = A.Referral(hospital);
        var accepted = referral.Accepted();

        await scheduling.Hears(accepted);

        var said = (await scheduling.Said(referral)).Should().ContainSingle().Subject;
        var booking = (await scheduling.Bookings(referral)).Single();
        said.GetProperty("type").GetString().Should().Be("scheduling.booked");
        said.GetProperty("source").GetString().Should().Be("/scheduling");
        said.GetProperty("subject").GetString().Should().Be(referral.No);
        said.GetProperty("specversion").GetString().Should().Be("1.0");
        said.GetProperty("traceparent").GetString().Should().StartWith(accepted.TraceParent![..35], "one trace spans both services");
        var data = said.GetProperty("data").Deserialize<SchedulingFacts>(Json.Lenient)!;
        var code = (await hospital.Booking(booking.Id)).GetProperty("appointmentCode").GetString();
        data.Should().BeEquivalentTo(new SchedulingFacts
        {
            ReferralId = referral.Id, ReferralNo = referral.No, Leg = 1, Attempt = 1, BookingId = booking.Id,
            Institution = hospital.Code, Department = "03.03", Resource = "Slot", Clinician = "dr-1",
            StartsAt = Scheduling.Monday.AddDays(1).AddHours(1), EndsAt = Scheduling.Monday.AddDays(1).AddHours(1.5),
            CodeHash = scheduling.Host.Services.GetRequiredService<Keys>().Hash("appointment-code", $"{booking.Id:n}:{code}"),
            Bring = ["身份证或社保卡", "转诊单", "预约码", "既往病历和检查结果"],
        });
        code.Should().MatchRegex("^[346789A-HJKMNPQRTWXY]{6}$");
    }

    [Theory]
    [InlineData("Equipment")]
    [InlineData("Reading")]
    [InlineData("Session")]
    [InlineData("Visit")]
    public async Task Each_kind_of_time_is_booked_from_slots_of_its_kind(string resource)
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1);
        var right = await hospital.Slot(day: 2, resource: resource);
        var referral = A.Referral(hospital).Needs(resource);

        await scheduling.Hears(referral.Accepted());

        (await scheduling.Bookings(referral)).Should().ContainSingle().Which.SlotId.Should().Be(right);
    }

    [Fact]
    public async Task A_slot_outside_the_window_is_not_booked()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1);
        await hospital.Slot(day: 9);
        var referral = A.Referral(hospital).Within(Scheduling.Monday.AddDays(2), Scheduling.Monday.AddDays(8));

        await scheduling.Hears(referral.Accepted());

        (await scheduling.Bookings(referral)).Should().BeEmpty();
        (await scheduling.Waits(referral)).Should().BeTrue();
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task A_bed_is_booked_in_the_department_and_kept_for_48_hours()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward(beds: 1, department: "03.04");
        await hospital.Ward(beds: 1, department: "03.03");
        var (first, second) = (A.Referral(hospital).Needs("Bed"), A.Referral(hospital).Needs("Bed"));

        await scheduling.Hears(first.Accepted(), second.Accepted());

        var data = (await scheduling.Said(first)).Single().GetProperty("data");
        data.GetProperty("resource").GetString().Should().Be("Bed");
        data.GetProperty("endsAt").GetDateTimeOffset().Should().Be(data.GetProperty("startsAt").GetDateTimeOffset().AddHours(48));
        (await scheduling.SaidTypes(second)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task A_kind_that_needs_no_place_gets_none()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Says(ReferralEvents.Accepted, ReferralState.Accepted));

        (await scheduling.Bookings(referral)).Should().BeEmpty();
        (await scheduling.SaidTypes(referral)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_referral_on_its_way_is_booked_when_nothing_is_held_and_keeps_what_is()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(capacity: 2);
        var (dispatched, atOnce) = (A.Referral(hospital), A.Referral(hospital).Emergency());

        await scheduling.Hears(dispatched.Accepted(), dispatched.Skips(1).InTransit(), atOnce.InTransit());

        (await scheduling.SaidTypes(dispatched)).Should().Equal("booked");
        (await scheduling.SaidTypes(atOnce)).Should().Equal("booked");
    }

    [Fact]
    public async Task The_next_place_at_all_serves_who_waited_past_the_window()
    {
        var hospital = scheduling.NewInstitution();
        var referral = A.Referral(hospital).Within(Scheduling.Monday.AddDays(-9), Scheduling.Monday.AddDays(-2));
        await scheduling.Hears(referral.Accepted());

        await hospital.Slot(day: 20);

        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }
}
