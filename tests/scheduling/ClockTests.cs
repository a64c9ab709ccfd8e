using System.Net;
using Referrals.Contracts;

namespace SchedulingService.Tests;

/// <summary>What time alone does. Its clock is its own: each test jumps it.</summary>
public sealed class ClockTests : IClassFixture<Scheduling>
{
    private readonly Scheduling _scheduling;

    public ClockTests(Scheduling scheduling) => _scheduling = scheduling;

    [Fact]
    public async Task A_hold_that_is_not_confirmed_ends_after_two_minutes_and_the_next_gets_the_place()
    {
        var hospital = _scheduling.NewInstitution();
        var (holder, next) = (Ahead(hospital), Ahead(hospital, days: 30).Later(TimeSpan.FromHours(1)));
        await _scheduling.Hears(holder.Accepted());
        var slot = await Slot(hospital, TimeSpan.FromDays(20));
        var held = await hospital.Registrar.Command("/v1/bookings", new { referral = holder.No, slotId = slot, hold = true });
        await _scheduling.Hears(next.Accepted());
        (await _scheduling.Waits(next)).Should().BeTrue();

        _scheduling.Clock.Advance(TimeSpan.FromSeconds(119));
        await Task.Delay(300);
        (await _scheduling.Waits(next)).Should().BeTrue("it is held for one second more");
        _scheduling.Clock.Advance(TimeSpan.FromSeconds(2));

        await Eventually.Is(async () => (await _scheduling.SaidTypes(next)).SequenceEqual(["no-capacity", "booked"]), "the next is booked");
        var late = await hospital.Registrar.Command($"/v1/bookings/{(await held.Json()).GetProperty("id").GetString()}/confirm", new { }, ifMatch: "*");
        late.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await _scheduling.SaidTypes(holder)).Should().Equal("no-capacity");
        (await _scheduling.Waits(holder)).Should().BeTrue();
    }

    [Fact]
    public async Task Of_whom_nobody_has_said_anything_a_day_after_the_end_is_missed_and_told_once()
    {
        var hospital = _scheduling.NewInstitution();
        await Slot(hospital, TimeSpan.FromHours(1));
        var referral = Ahead(hospital);
        await _scheduling.Hears(referral.Accepted());

        _scheduling.Clock.Advance(TimeSpan.FromHours(25) + TimeSpan.FromMinutes(29));
        await Task.Delay(300);
        (await _scheduling.Bookings(referral)).Single().State.Should().Be("Booked", "that is for the referral service to say, by its alliance's timers");
        _scheduling.Clock.Advance(TimeSpan.FromMinutes(2));

        await Eventually.Is(async () => (await _scheduling.Bookings(referral)).Single().State == "NoShow", "it is missed");
        await Task.Delay(300);
        (await _scheduling.SaidTypes(referral)).Should().Equal("booked", "no-show");
    }

    [Fact]
    public async Task Whoever_is_on_the_way_or_asked_to_cancel_or_is_an_emergency_is_not_called_missing()
    {
        var hospital = _scheduling.NewInstitution();
        await Slot(hospital, TimeSpan.FromHours(1), capacity: 3);
        var (onTheWay, cancels, emergency) = (Ahead(hospital), Ahead(hospital), Ahead(hospital).Emergency());
        await _scheduling.Hears(onTheWay.Accepted(), onTheWay.InTransit(), cancels.Accepted(), cancels.CancellationRequested(), emergency.Accepted());

        _scheduling.Clock.Advance(TimeSpan.FromHours(5));
        await Task.Delay(500);

        foreach (var referral in new[] { onTheWay, cancels, emergency })
            (await _scheduling.SaidTypes(referral)).Should().Equal("booked");
    }

    [Fact]
    public async Task A_bed_nobody_came_for_goes_back_a_day_after_it_was_kept_and_the_next_lies_in_it()
    {
        var hospital = _scheduling.NewInstitution();
        await hospital.Ward();
        var (first, next) = (Ahead(hospital).Needs("Bed"), Ahead(hospital).Needs("Bed"));
        await _scheduling.Hears(first.Accepted(), next.Accepted());

        _scheduling.Clock.Advance(TimeSpan.FromHours(71));
        await Task.Delay(300);
        (await _scheduling.Waits(next)).Should().BeTrue();
        _scheduling.Clock.Advance(TimeSpan.FromHours(2));

        await Eventually.Is(async () => (await _scheduling.SaidTypes(next)).Contains("booked"), "the next has the bed");
        (await _scheduling.SaidTypes(first)).Should().Equal("booked", "booking-cancelled");
        (await _scheduling.Said(first))[^1].GetProperty("data").GetProperty("by").GetString().Should().Be("System");
    }

    [Fact]
    public async Task The_desk_checks_a_patient_in_by_code_once_and_he_is_not_missed()
    {
        var hospital = _scheduling.NewInstitution();
        await Slot(hospital, TimeSpan.FromHours(1));
        var referral = Ahead(hospital);
        await _scheduling.Hears(referral.Accepted());
        var code = await Code(hospital, referral);

        var answer = await hospital.Registrar.Command("/v1/check-ins", new { code = $" {code[..3].ToLowerInvariant()} {code[3..]}" });
        var again = await hospital.Registrar.Command("/v1/check-ins", new { code });
        _scheduling.Clock.Advance(TimeSpan.FromHours(4));
        await Task.Delay(300);

        (await answer.Json()).GetProperty("referralNo").GetString().Should().Be(referral.No);
        again.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await again.Json()).GetProperty("state").GetString().Should().Be("Used");
        (await _scheduling.SaidTypes(referral)).Should().Equal("booked", "checked-in");
        var said = (await _scheduling.Said(referral)).Select(s => s.GetProperty("data").GetProperty("codeHash").GetString()).ToList();
        said[1].Should().Be(said[0], "the hash is the proof");
    }

    [Fact]
    public async Task A_code_means_nothing_at_another_desk_nor_hours_too_early()
    {
        var (hospital, other) = (_scheduling.NewInstitution(), _scheduling.NewInstitution());
        await Slot(hospital, TimeSpan.FromHours(9));
        var referral = Ahead(hospital);
        await _scheduling.Hears(referral.Accepted());
        var code = await Code(hospital, referral);

        ((int)(await other.Registrar.Command("/v1/check-ins", new { code })).StatusCode).Should().Be(404);
        ((int)(await hospital.Registrar.Command("/v1/check-ins", new { code = "222222" })).StatusCode).Should().Be(404);
        var early = await hospital.Registrar.Command("/v1/check-ins", new { code });
        (await early.Json()).GetProperty("code").GetString().Should().Be("too-early");
    }

    [Fact]
    public async Task Who_comes_after_he_was_given_up_is_let_in_while_there_is_room()
    {
        var hospital = _scheduling.NewInstitution();
        // the morning after next begins at two o'clock UTC: the day in China is young
        var now = _scheduling.Clock.GetUtcNow();
        _scheduling.Clock.Advance(now.Date.AddDays(2).AddHours(2) - now.UtcDateTime);
        await Slot(hospital, TimeSpan.FromHours(1), capacity: 2);
        var (late, tooLate) = (Ahead(hospital), Ahead(hospital));
        await _scheduling.Hears(late.Accepted(), tooLate.Accepted());
        var (code, otherCode) = (await Code(hospital, late), await Code(hospital, tooLate));
        _scheduling.Clock.Advance(TimeSpan.FromHours(3));
        foreach (var referral in new[] { late, tooLate })
        {
            await _scheduling.Hears(referral.NoShow((await _scheduling.Bookings(referral)).Single().Id));
            (await _scheduling.Bookings(referral)).Single().State.Should().Be("NoShow");
        }

        var letIn = await hospital.Registrar.Command("/v1/check-ins", new { code });
        _scheduling.Clock.Advance(TimeSpan.FromDays(1));
        var refused = await hospital.Registrar.Command("/v1/check-ins", new { code = otherCode });

        (await letIn.Json()).GetProperty("late").GetBoolean().Should().BeTrue();
        (await _scheduling.SaidTypes(late)).Should().Equal("booked", "checked-in");
        refused.StatusCode.Should().Be(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Who_was_missed_and_booked_again_shows_the_new_code_and_the_old_one_is_refused()
    {
        var hospital = _scheduling.NewInstitution();
        // the morning after next begins at two o'clock UTC: the day in China is young
        var now = _scheduling.Clock.GetUtcNow();
        _scheduling.Clock.Advance(now.Date.AddDays(2).AddHours(2) - now.UtcDateTime);
        await Slot(hospital, TimeSpan.FromHours(1), capacity: 2);
        var referral = Ahead(hospital);
        await _scheduling.Hears(referral.Accepted());
        var oldCode = await Code(hospital, referral);
        _scheduling.Clock.Advance(TimeSpan.FromHours(3));
        await _scheduling.Hears(referral.NoShow((await _scheduling.Bookings(referral)).Single().Id));
        var tomorrow = await Slot(hospital, TimeSpan.FromDays(1));
        var booked = await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = tomorrow }).Json();
        var newer = booked.GetProperty("id").GetGuid();

        var refused = await hospital.Registrar.Command("/v1/check-ins", new { code = oldCode });

        refused.StatusCode.Should().Be(HttpStatusCode.Conflict);
        var problem = await refused.Json();
        problem.GetProperty("code").GetString().Should().Be("newer-booking");
        problem.GetProperty("bookingId").GetGuid().Should().Be(newer);
        (await _scheduling.Bookings(referral)).Select(b => b.State).Should().Equal("NoShow", "Booked");

        _scheduling.Clock.Advance(TimeSpan.FromHours(23));
        var code = (await hospital.Booking(newer)).GetProperty("appointmentCode").GetString();
        (await hospital.Registrar.Command("/v1/check-ins", new { code })).StatusCode.Should().Be(HttpStatusCode.OK);
        (await _scheduling.SaidTypes(referral)).Should().Equal("booked", "booked", "checked-in");
    }

    private AReferral Ahead(Institution hospital, int days = 14)
    {
        var now = _scheduling.Clock.GetUtcNow();
        return A.Referral(hospital).Within(now, now.AddDays(days));
    }

    private async Task<Guid> Slot(Institution hospital, TimeSpan ahead, int capacity = 1)
    {
        var startsAt = _scheduling.Clock.GetUtcNow() + ahead;
        return (await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity } },
        }).Json()).GetProperty("ids")[0].GetGuid();
    }

    private async Task<string> Code(Institution hospital, AReferral referral) =>
        (await hospital.Booking((await _scheduling.Bookings(referral)).Single().Id)).GetProperty("appointmentCode").GetString()!;
}
