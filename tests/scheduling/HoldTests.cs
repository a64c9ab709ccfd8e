using System.Net;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class HoldTests(Scheduling scheduling)
{
    [Fact]
    public async Task A_place_is_held_then_confirmed_and_only_then_told()
    {
        var (hospital, clinic, referral, slot) = await Waiting();

        var held = await clinic.As("Clinician").Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = true });

        held.StatusCode.Should().Be(HttpStatusCode.Created);
        var body = await held.Json();
        body.GetProperty("state").GetString().Should().Be("Held");
        body.GetProperty("heldUntil").GetDateTimeOffset().Should().Be(Scheduling.Monday.AddMinutes(2));
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity");
        (await hospital.Booking(body.GetProperty("id").GetGuid())).TryGetProperty("appointmentCode", out _).Should().BeFalse("it is no booking yet");

        var confirmed = await clinic.As("Clinician").Command($"/v1/bookings/{body.GetProperty("id").GetString()}/confirm", new { }, ifMatch: held.Headers.ETag!.Tag);

        confirmed.StatusCode.Should().Be(HttpStatusCode.OK);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
        (await scheduling.Waits(referral)).Should().BeFalse();
    }

    [Fact]
    public async Task The_new_place_is_held_before_the_old_one_is_freed()
    {
        var hospital = scheduling.NewInstitution();
        var old = await hospital.Slot();
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());
        var (next, better) = (A.Referral(hospital), await hospital.Slot(day: 20));
        await scheduling.Hears(next.Accepted());

        var held = await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = better, hold = true }).Json();
        (await scheduling.Waits(next)).Should().BeTrue("the old place is still his");
        await hospital.Registrar.Command($"/v1/bookings/{held.GetProperty("id").GetString()}/confirm", new { }, ifMatch: "*");

        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "rescheduled");
        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
        (await scheduling.Database.Query<int>("select taken from slot where id = any (@ids)", new { ids = new[] { old, better } })).Should().Equal(1, 1);
    }

    [Fact]
    public async Task Who_only_holds_a_place_still_stands_in_line()
    {
        var (hospital, _, referral, slot) = await Waiting();
        await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = true });

        await scheduling.Hears(referral.PriorityRaised());

        (await scheduling.Waits(referral)).Should().BeTrue();
        await hospital.Slot(day: 2);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task A_hold_given_up_frees_the_place_and_says_nothing()
    {
        var (hospital, _, referral, slot) = await Waiting();
        var held = (await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = true }).Json()).GetProperty("id").GetString();

        (await hospital.Registrar.Command($"/v1/bookings/{held}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "*")).StatusCode.Should().Be(HttpStatusCode.OK);

        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(0);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity");
        (await scheduling.Waits(referral)).Should().BeTrue();
    }

    [Fact]
    public async Task The_end_of_the_referral_ends_the_hold()
    {
        var (hospital, _, referral, slot) = await Waiting();
        await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = true });

        await scheduling.Hears(referral.Cancelled());

        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(0);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task A_chosen_slot_is_booked_at_once_and_a_second_one_is_refused()
    {
        var (hospital, _, referral, slot) = await Waiting();

        (await hospital.Registrar.Command("/v1/bookings", new { referral = referral.Id, slotId = slot })).StatusCode.Should().Be(HttpStatusCode.Created);
        var again = await hospital.Registrar.Command("/v1/bookings", new { referral = referral.Id, slotId = await hospital.Slot(day: 21) });

        again.StatusCode.Should().Be(HttpStatusCode.Conflict);
        var problem = await again.Json();
        problem.GetProperty("code").GetString().Should().Be("already-booked");
        problem.GetProperty("bookingId").GetGuid().Should().Be((await scheduling.Bookings(referral)).Single().Id);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task A_full_slot_is_409_with_alternatives_and_room_beyond_the_capacity_is_for_its_institution_alone()
    {
        var (hospital, clinic, referral, slot) = await Waiting();
        var other = A.Referral(hospital);
        await scheduling.Hears(other.Accepted());
        await hospital.Registrar.Command("/v1/bookings", new { referral = other.No, slotId = slot });
        var free = await hospital.Slot(day: 21);
        await hospital.Registrar.Command($"/v1/slots/{slot}/change", new { overbook = 1 });
        var beyond = new { referral = referral.No, slotId = slot, beyondCapacity = true };

        var full = await clinic.As("Clinician").Command("/v1/bookings", new { referral = referral.No, slotId = slot });
        full.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await full.Json()).GetProperty("alternatives")[0].GetProperty("id").GetGuid().Should().Be(free);
        ((int)(await clinic.As("Clinician").Command("/v1/bookings", beyond)).StatusCode).Should().Be(403);
        (await hospital.Registrar.Command("/v1/bookings", beyond)).StatusCode.Should().Be(HttpStatusCode.Created);
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(2);
    }

    [Fact]
    public async Task Nobody_books_for_a_referral_he_is_no_party_of_nor_where_nothing_is_wanted()
    {
        var (hospital, _, referral, slot) = await Waiting();
        ((int)(await scheduling.NewInstitution().Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot })).StatusCode).Should().Be(404);
        ((int)(await hospital.Registrar.Command("/v1/bookings", new { referral = "nobody", slotId = slot })).StatusCode).Should().Be(404);
        ((int)(await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = await hospital.Slot(resource: "Equipment") })).StatusCode).Should().Be(422);

        await scheduling.Hears(referral.Cancelled());
        var over = await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot });

        over.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await over.Json()).GetProperty("state").GetString().Should().Be("Cancelled");
    }

    [Fact]
    public async Task Two_holds_and_a_second_confirmation_are_refused()
    {
        var (hospital, _, referral, slot) = await Waiting();
        var held = (await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = true }).Json()).GetProperty("id").GetString();

        ((int)(await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = await hospital.Slot(day: 22), hold = true })).StatusCode).Should().Be(409);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => hospital.Registrar.Command($"/v1/bookings/{held}/confirm", new { }, ifMatch: "\"1\"")));

        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Count(a => a.StatusCode == HttpStatusCode.PreconditionFailed).Should().Be(7);
        var again = await (await hospital.Registrar.Command($"/v1/bookings/{held}/confirm", new { }, ifMatch: "*")).Json();
        again.GetProperty("code").GetString().Should().Be("booking-stands", "it is confirmed already");
        again.GetProperty("actions").EnumerateArray().Select(a => a.GetString()).Should().Equal("cancel", "reschedule");
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    // somebody who waits, and a slot past his window: it is given to nobody by itself
    private async Task<(Institution Hospital, Institution Clinic, AReferral Referral, Guid Slot)> Waiting()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var referral = A.Referral(hospital, from: clinic);
        await scheduling.Hears(referral.Accepted());
        return (hospital, clinic, referral, await hospital.Slot(day: 20));
    }
}
