using System.Net;
using System.Text.Json;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class SessionTests(Scheduling scheduling)
{
    // Monday is 8 o'clock in China when the tests begin: a morning from 9 lies ahead
    private static object Pattern(int[]? weekdays = null, string from = "09:00", string until = "10:00", int? slotMinutes = 30, int capacity = 1,
        string? clinician = null, string validFrom = "2027-01-01", string? validUntil = null) =>
        new { weekdays = weekdays ?? [2, 4], from, until, slotMinutes, capacity, clinician, validFrom, validUntil };

    [Theory]
    [InlineData("Slot", "03.03")]
    [InlineData("Equipment", "32.02")]
    [InlineData("Reading", "32.01")]
    [InlineData("Session", "03.03")]
    [InlineData("Visit", "02")]
    public async Task A_session_makes_the_slots_of_four_weeks(string resource, string department)
    {
        var hospital = scheduling.NewInstitution();

        var answer = await Open(hospital, Pattern(), resource, department);

        answer.StatusCode.Should().Be(HttpStatusCode.Created);
        (await answer.Json()).GetProperty("slots").GetInt32().Should().Be(16, "two slots, twice a week, four weeks");
        var slots = await Slots(hospital);
        slots.Should().HaveCount(16);
        slots[0].Should().Be("01-05 09:00");
        (await hospital.Registrar.GetAsync(answer.Headers.Location).Json()).GetProperty("pattern").GetProperty("from").GetString().Should().Be("09:00");
    }

    [Fact]
    public async Task Who_waits_is_booked_when_a_session_opens()
    {
        var hospital = scheduling.NewInstitution();
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());

        var answer = await Open(hospital, Pattern());

        (await answer.Json()).GetProperty("served").GetInt32().Should().Be(1);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task The_days_roll_on_by_themselves_and_no_slot_is_made_twice()
    {
        var hospital = scheduling.NewInstitution();
        var id = (await Open(hospital, Pattern()).Json()).GetProperty("id").GetGuid();

        // as if a week had passed since they were made
        await scheduling.Database.Execute("delete from slot where session_id = @id and starts_at > @later", new { id, later = Scheduling.Monday.AddDays(21) });
        await scheduling.Database.Execute("update session set made_until = made_until - 7 where id = @id", new { id });

        await Eventually.Is(async () => (await Slots(hospital)).Count == 16, "the last week is there again");
        (await Slots(hospital)).Should().OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task A_closed_day_moves_whoever_held_a_slot_and_tells_both_sides()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var id = (await Open(hospital, Pattern()).Json()).GetProperty("id").GetGuid();
        var referral = A.Referral(hospital, from: clinic);
        await scheduling.Hears(referral.Accepted());

        var answer = await hospital.Registrar.Command($"/v1/sessions/{id}/except", new { reason = "CLINICIAN_ABSENT", days = new[] { new { on = "2027-01-05" } } }, ifMatch: "\"1\"");

        answer.StatusCode.Should().Be(HttpStatusCode.OK);
        (await answer.Json()).GetProperty("withdrawn").GetInt32().Should().Be(2);
        var said = (await scheduling.Said(referral))[^1];
        said.GetProperty("type").GetString().Should().Be("scheduling.rescheduled");
        said.GetProperty("data").GetProperty("reason").GetString().Should().Be("CLINICIAN_ABSENT");
        said.GetProperty("data").GetProperty("startsAt").GetDateTimeOffset().Should().Be(Scheduling.Monday.AddDays(3).AddHours(1), "Thursday is the nearest");
        (await Slots(hospital)).Should().HaveCount(14);
    }

    [Fact]
    public async Task An_extra_day_serves_who_waits()
    {
        var hospital = scheduling.NewInstitution();
        var id = (await Open(hospital, Pattern(validFrom: "2027-02-01")).Json()).GetProperty("id").GetGuid();
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());

        await hospital.Registrar.Command($"/v1/sessions/{id}/except",
            new { reason = "OTHER", days = new[] { new { on = "2027-02-01", from = "14:00", until = "15:00" } } }, ifMatch: "*");
        (await scheduling.Waits(referral)).Should().BeTrue("the first of February is past his window");

        await hospital.Registrar.Command($"/v1/sessions/{id}/change", new { reason = "OTHER", pattern = Pattern() }, ifMatch: "*");
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Another_timetable_keeps_the_slots_that_stay_with_their_patients()
    {
        var hospital = scheduling.NewInstitution();
        var id = (await Open(hospital, Pattern()).Json()).GetProperty("id").GetGuid();
        var (stays, goes) = (A.Referral(hospital), A.Referral(hospital));
        await scheduling.Hears(stays.Accepted(), goes.Accepted());

        // from two slots to one
        var answer = await hospital.Registrar.Command($"/v1/sessions/{id}/change", new { reason = "CLINICIAN_ABSENT", pattern = Pattern(until: "09:30", capacity: 3) }, ifMatch: "\"1\"");

        (await answer.Json()).GetProperty("withdrawn").GetInt32().Should().Be(8);
        (await scheduling.SaidTypes(stays)).Should().Equal("booked");
        (await scheduling.SaidTypes(goes)).Should().Equal("booked", "rescheduled");
        (await scheduling.Bookings(goes)).Single(b => b.State == "Booked").StartsAt.Should().Be(Scheduling.Monday.AddDays(1).AddHours(1), "there is room for three now");
    }

    [Fact]
    public async Task An_end_date_withdraws_what_comes_after_it()
    {
        var hospital = scheduling.NewInstitution();
        var id = (await Open(hospital, Pattern()).Json()).GetProperty("id").GetGuid();
        var referral = A.Referral(hospital).Within(Scheduling.Monday.AddDays(7), Scheduling.Monday.AddDays(14));
        await scheduling.Hears(referral.Accepted());

        await hospital.Registrar.Command($"/v1/sessions/{id}/change", new { reason = "INSTITUTION_CLOSED", pattern = Pattern(validUntil: "2027-01-07") }, ifMatch: "*");

        (await Slots(hospital)).Should().HaveCount(4);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "booking-cancelled");
        (await scheduling.Said(referral))[^1].GetProperty("data").GetProperty("by").GetString().Should().Be("Receiver");
        await scheduling.Hears(referral.BookingCancelled());
        (await scheduling.SaidTypes(referral)).Should().EndWith("no-capacity");
    }

    [Fact]
    public async Task A_substitute_takes_the_hour_over_and_the_patient_hears_of_it()
    {
        var hospital = scheduling.NewInstitution();
        var id = (await Open(hospital, Pattern(clinician: "dr-1")).Json()).GetProperty("id").GetGuid();
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());

        await hospital.Registrar.Command($"/v1/sessions/{id}/change", new { reason = "CLINICIAN_ABSENT", pattern = Pattern(clinician: "dr-2") }, ifMatch: "*");

        var said = (await scheduling.Said(referral))[^1].GetProperty("data");
        said.GetProperty("clinician").GetString().Should().Be("dr-2");
        said.GetProperty("startsAt").GetDateTimeOffset().Should().Be(Scheduling.Monday.AddDays(1).AddHours(1));
    }

    [Fact]
    public async Task Days_off_close_and_swapped_days_work()
    {
        var hospital = scheduling.NewInstitution();
        await Open(hospital, Pattern(weekdays: [5], until: "09:30"));

        var answer = await hospital.Registrar.Command("/v1/calendar", new
        {
            days = new object[] { new { on = "2027-01-08", works = false }, new { on = "2027-01-10", works = true, likeWeekday = 5 } },
        });

        answer.StatusCode.Should().Be(HttpStatusCode.OK);
        (await Slots(hospital)).Should().Equal("01-10 09:00", "01-15 09:00", "01-22 09:00", "01-29 09:00");
        (await hospital.Registrar.GetAsync("/v1/calendar").Json()).GetProperty("items").GetArrayLength().Should().BeGreaterThan(1);
    }

    [Fact]
    public async Task Holidays_of_everybody_are_for_the_operator_and_reach_every_session()
    {
        var hospital = scheduling.NewInstitution();
        await Open(hospital, Pattern(weekdays: [3], until: "09:30"));
        var days = new { everybody = true, days = new[] { new { on = "2027-01-06", works = false } } };

        ((int)(await hospital.Registrar.Command("/v1/calendar", days)).StatusCode).Should().Be(403);
        (await hospital.As("Operator").Command("/v1/calendar", days)).StatusCode.Should().Be(HttpStatusCode.OK);

        await Eventually.Is(async () => !(await Slots(hospital)).Contains("01-06 09:00"), "the holiday has no slot");
    }

    [Fact]
    public async Task A_clinician_who_sits_elsewhere_is_not_put_in_two_rooms()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1, hour: 1, clinician: "dr-1");

        var answer = await Open(hospital, Pattern(clinician: "dr-1")).Json();

        answer.GetProperty("overlapping").GetInt32().Should().Be(1);
        answer.GetProperty("slots").GetInt32().Should().Be(15);
    }

    [Fact]
    public async Task Only_the_institution_changes_its_session_and_only_what_it_saw()
    {
        var (hospital, other) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var id = (await Open(hospital, Pattern()).Json()).GetProperty("id").GetGuid();
        var body = new { reason = "OTHER", pattern = Pattern() };

        ((int)(await other.Registrar.Command($"/v1/sessions/{id}/change", body, ifMatch: "*")).StatusCode).Should().Be(404);
        ((int)(await hospital.As("Clinician").Command($"/v1/sessions/{id}/change", body, ifMatch: "*")).StatusCode).Should().Be(403);
        ((int)(await hospital.Registrar.Command($"/v1/sessions/{id}/change", body)).StatusCode).Should().Be(428);
        ((int)(await hospital.Registrar.Command($"/v1/sessions/{id}/change", body, ifMatch: "\"7\"")).StatusCode).Should().Be(412);
        (await scheduling.Database.Query<int>("select count(*)::int from audit where target = @target and verdict = 'denied'", new { target = id.ToString() })).Should().Equal([2], "the stranger and the wrong role both leave a row");
    }

    [Theory]
    [InlineData("weekday 8", """{"weekdays":[8],"from":"08:00","until":"09:00","validFrom":"2027-01-01"}""", "/pattern/weekdays")]
    [InlineData("no weekday", """{"weekdays":[],"from":"08:00","until":"09:00","validFrom":"2027-01-01"}""", "/pattern/weekdays")]
    [InlineData("no such hour", """{"weekdays":[1],"from":"25:00","until":"09:00","validFrom":"2027-01-01"}""", "/pattern/from")]
    [InlineData("ends before it begins", """{"weekdays":[1],"from":"10:00","until":"09:00","validFrom":"2027-01-01"}""", "/pattern/until")]
    [InlineData("slot longer than session", """{"weekdays":[1],"from":"08:00","until":"09:00","validFrom":"2027-01-01","slotMinutes":61}""", "/pattern/slotMinutes")]
    [InlineData("no place", """{"weekdays":[1],"from":"08:00","until":"09:00","validFrom":"2027-01-01","capacity":0}""", "/pattern/capacity")]
    [InlineData("ends before its first day", """{"weekdays":[1],"from":"08:00","until":"09:00","validFrom":"2027-01-02","validUntil":"2027-01-01"}""", "/pattern/validUntil")]
    [InlineData("release without pool", """{"weekdays":[1],"from":"08:00","until":"09:00","validFrom":"2027-01-01","releaseHours":3}""", "/pattern/releaseHours")]
    [InlineData("unknown pool", """{"weekdays":[1],"from":"08:00","until":"09:00","validFrom":"2027-01-01","reservedFor":"Friends"}""", "/pattern/reservedFor")]
    [InlineData("unknown member", """{"weekdays":[1],"from":"08:00","until":"09:00","validFrom":"2027-01-01","price":3}""", "/pattern/price")]
    public async Task Bad_patterns_are_refused_by_pointer(string what, string pattern, string pointer)
    {
        var hospital = scheduling.NewInstitution();
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/sessions")
        {
            Content = new StringContent($$"""{"department":"03.03","resource":"Slot","pattern":{{pattern}}}""", System.Text.Encoding.UTF8, "application/json"),
        };
        request.Headers.Add("Idempotency-Key", "k");

        var answer = await hospital.Registrar.SendAsync(request);

        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, what);
        (await answer.Json()).GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Contain(pointer);
    }

    [Fact]
    public async Task Sessions_are_listed_page_by_page()
    {
        var hospital = scheduling.NewInstitution();
        for (var n = 1; n <= 5; n++)
            await Open(hospital, Pattern(), department: $"03.0{n}");

        var first = await hospital.Registrar.GetAsync("/v1/sessions?limit=3");
        var rest = await hospital.Registrar.GetAsync(first.Headers.GetValues("Link").Single().Split('<', '>')[1]);

        Departments(await first.Json()).Concat(Departments(await rest.Json())).Should().Equal("03.01", "03.02", "03.03", "03.04", "03.05");
    }

    private static IEnumerable<string?> Departments(JsonElement page) =>
        page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("department").GetString());

    private static Task<HttpResponseMessage> Open(Institution hospital, object pattern, string resource = "Slot", string department = "03.03") =>
        hospital.Registrar.Command("/v1/sessions", new { department, resource, pattern });

    private async Task<List<string>> Slots(Institution hospital) => (await scheduling.Database.Query<string>("""
        select to_char(starts_at at time zone 'Asia/Shanghai', 'MM-DD HH24:MI') from slot
        where institution = @Code and withdrawn_at is null order by starts_at
        """, new { hospital.Code })).ToList();
}
