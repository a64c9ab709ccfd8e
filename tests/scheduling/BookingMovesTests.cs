using System.Net;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class BookingMovesTests(Scheduling scheduling)
{
    [Fact]
    public async Task Only_the_owner_of_the_place_and_the_sender_see_a_booking()
    {
        var (hospital, clinic, stranger) = (scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution());
        var (referral, booking) = await Booked(hospital, clinic);

        foreach (var party in new[] { hospital, clinic })
        {
            var answer = await party.As("Clinician").GetAsync($"/v1/bookings/{booking}");
            answer.StatusCode.Should().Be(HttpStatusCode.OK);
            answer.Headers.ETag!.Tag.Should().Be("\"1\"");
            (await answer.Json()).GetProperty("appointmentCode").GetString().Should().HaveLength(6);
            (await party.Registrar.GetAsync($"/v1/bookings?referral={referral.No}").Json()).GetProperty("items").GetArrayLength().Should().Be(1);
        }
        (await stranger.Registrar.GetAsync($"/v1/bookings?referral={referral.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await stranger.Registrar.GetAsync($"/v1/bookings/{booking}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Theory]
    [InlineData("GET", "/v1/bookings/{0}", null, "booking.read")]
    [InlineData("POST", "/v1/bookings/{0}/cancel", """{"reason":"PATIENT_REQUEST"}""", "booking.cancel")]
    [InlineData("POST", "/v1/bookings/{0}/reschedule", """{"reason":"PATIENT_REQUEST","startsAt":"2027-02-01T00:00:00Z"}""", "booking.reschedule")]
    public async Task Somebody_elses_booking_is_not_there_and_the_attempt_is_on_the_record(string method, string path, string? body, string action)
    {
        var (hospital, stranger) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var (_, booking) = await Booked(hospital);
        var request = new HttpRequestMessage(new(method), string.Format(path, booking));
        if (body is not null)
        {
            request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
            request.Headers.Add("Idempotency-Key", "k");
        }

        (await stranger.Registrar.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.NotFound);

        (await scheduling.Database.Query<string>("select action from audit where verdict = 'denied' and institution = @Code and target = @target",
            new { stranger.Code, target = booking.ToString() })).Should().Equal(action);
    }

    [Fact]
    public async Task A_party_in_the_wrong_role_gets_403()
    {
        var hospital = scheduling.NewInstitution();
        var (_, booking) = await Booked(hospital);
        foreach (var role in new[] { "Insurer", "Regulator", "Auditor", "Operator" })
            (await hospital.As(role).GetAsync($"/v1/bookings/{booking}")).StatusCode.Should().Be(HttpStatusCode.Forbidden, role);
    }

    [Fact]
    public async Task Cancelling_frees_the_place_for_the_next_and_says_who_and_why()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var (referral, booking) = await Booked(hospital, clinic);
        var next = A.Referral(hospital);
        await scheduling.Hears(next.Accepted());

        var answer = await clinic.As("Clinician").Command($"/v1/bookings/{booking}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "\"1\"");

        answer.StatusCode.Should().Be(HttpStatusCode.OK);
        answer.Headers.ETag!.Tag.Should().Be("\"2\"");
        var said = (await scheduling.Said(referral))[^1];
        said.GetProperty("type").GetString().Should().Be("scheduling.booking-cancelled");
        said.GetProperty("data").GetProperty("by").GetString().Should().Be("Sender");
        said.GetProperty("data").GetProperty("reason").GetString().Should().Be("PATIENT_REQUEST");
        said.GetProperty("data").GetProperty("attempt").GetInt64().Should().Be(2);
        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Words_for_OTHER_reach_the_other_party_and_no_event()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var (referral, booking) = await Booked(hospital, clinic);

        await hospital.Registrar.Command($"/v1/bookings/{booking}/cancel", new { reason = "OTHER", note = "停电" }, ifMatch: "*");

        (await clinic.Booking(booking)).GetProperty("note").GetString().Should().Be("停电");
        (await scheduling.Said(referral))[^1].GetRawText().Should().NotContain("停电");
    }

    [Theory]
    [InlineData("no reason", """{}""", "/reason")]
    [InlineData("unknown reason", """{"reason":"TIRED"}""", "/reason")]
    [InlineData("OTHER without words", """{"reason":"OTHER"}""", "/note")]
    [InlineData("too many words", """{"reason":"OTHER","note":"<200+>"}""", "/note")]
    [InlineData("state from outside", """{"reason":"PATIENT_REQUEST","state":"Used"}""", "/state")]
    public async Task Bad_input_to_cancel_is_refused_by_pointer(string what, string body, string pointer)
    {
        var hospital = scheduling.NewInstitution();
        var (_, booking) = await Booked(hospital);
        var request = new HttpRequestMessage(HttpMethod.Post, $"/v1/bookings/{booking}/cancel")
        {
            Content = new StringContent(body.Replace("<200+>", new string('长', 201)), System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Idempotency-Key", "k");

        var answer = await hospital.Registrar.SendAsync(request);

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, what);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task A_move_needs_the_newest_etag()
    {
        var hospital = scheduling.NewInstitution();
        var (_, booking) = await Booked(hospital);
        var path = $"/v1/bookings/{booking}/cancel";

        ((int)(await hospital.Registrar.Command(path, new { reason = "BED_LOST" })).StatusCode).Should().Be(428);
        ((int)(await hospital.Registrar.Command(path, new { reason = "BED_LOST" }, ifMatch: "\"9\"")).StatusCode).Should().Be(412);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => hospital.Registrar.Command(path, new { reason = "BED_LOST" }, ifMatch: "\"1\"")));
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Count(a => a.StatusCode == HttpStatusCode.PreconditionFailed).Should().Be(7);
        var late = await hospital.Registrar.Command(path, new { reason = "BED_LOST" }, ifMatch: "*");
        late.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await late.Json()).GetProperty("state").GetString().Should().Be("Cancelled");
    }

    [Fact]
    public async Task Rescheduling_holds_the_new_slot_and_gives_the_old_one_to_the_next()
    {
        var hospital = scheduling.NewInstitution();
        var (referral, booking) = await Booked(hospital);
        var next = A.Referral(hospital).Within(Scheduling.Monday, Scheduling.Monday.AddDays(2));
        await scheduling.Hears(next.Accepted());
        var later = await hospital.Slot(day: 5);

        var answer = await hospital.Registrar.Command($"/v1/bookings/{booking}/reschedule",
            new { reason = "CLINICIAN_ABSENT", slotId = later }, ifMatch: "\"1\"");

        answer.StatusCode.Should().Be(HttpStatusCode.Created);
        var bookings = await scheduling.Bookings(referral);
        bookings.Select(b => b.State).Should().BeEquivalentTo("Rescheduled", "Booked");
        answer.Headers.Location!.ToString().Should().Be($"/v1/bookings/{bookings.Single(b => b.State == "Booked").Id}");
        var said = (await scheduling.Said(referral))[^1];
        said.GetProperty("type").GetString().Should().Be("scheduling.rescheduled");
        said.GetProperty("data").GetProperty("replacedBookingId").GetGuid().Should().Be(booking);
        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Rescheduling_into_a_full_slot_is_409_with_the_nearest_alternatives()
    {
        var hospital = scheduling.NewInstitution();
        var (_, booking) = await Booked(hospital);
        var full = await hospital.Slot(day: 6);
        await scheduling.Hears(A.Referral(hospital).Within(Scheduling.Monday.AddDays(6), Scheduling.Monday.AddDays(7)).Accepted());
        await hospital.Slot(day: 20);
        var near = await hospital.Slot(day: 7);

        var answer = await hospital.Registrar.Command($"/v1/bookings/{booking}/reschedule",
            new { reason = "PATIENT_REQUEST", slotId = full }, ifMatch: "*");

        answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
        var problem = await answer.Json();
        problem.GetProperty("code").GetString().Should().Be("slot-taken");
        problem.GetProperty("alternatives")[0].GetProperty("id").GetGuid().Should().Be(near);
    }

    [Fact]
    public async Task A_booking_does_not_move_to_another_institution_or_kind()
    {
        var (hospital, other) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var (_, booking) = await Booked(hospital);
        foreach (var slot in new[] { await other.Slot(), await hospital.Slot(resource: "Equipment"), await hospital.Slot(department: "03.04"), Guid.NewGuid() })
            ((int)(await hospital.Registrar.Command($"/v1/bookings/{booking}/reschedule", new { reason = "PATIENT_REQUEST", slotId = slot }, ifMatch: "*"))
                .StatusCode).Should().Be(422);
    }

    [Fact]
    public async Task A_bed_is_moved_to_another_day_and_stays_the_same_bed()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward();
        var referral = A.Referral(hospital).Needs("Bed");
        await scheduling.Hears(referral.Accepted());
        var booking = (await scheduling.Bookings(referral)).Single();
        var day = Scheduling.Monday.AddDays(3);
        ((int)(await hospital.Registrar.Command($"/v1/bookings/{booking.Id}/reschedule", new { reason = "CONDITION_CHANGED", startsAt = day.AddYears(10) }, ifMatch: "*")).StatusCode)
            .Should().Be(422, "that is a slip of the pen");

        await hospital.Registrar.Command($"/v1/bookings/{booking.Id}/reschedule", new { reason = "CONDITION_CHANGED", startsAt = day }, ifMatch: "*");

        var live = (await scheduling.Bookings(referral)).Single(b => b.State == "Booked");
        live.BedId.Should().Be(booking.BedId);
        live.StartsAt.Should().Be(day);
    }

    private async Task<(AReferral Referral, Guid Booking)> Booked(Institution hospital, Institution? clinic = null)
    {
        await hospital.Slot();
        var referral = A.Referral(hospital, from: clinic);
        await scheduling.Hears(referral.Accepted());
        return (referral, (await scheduling.Bookings(referral)).Single().Id);
    }
}
