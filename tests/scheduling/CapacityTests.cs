using System.Text.Json;

namespace SchedulingService.Tests;

/// <summary>What an institution can take, by day and by week.</summary>
[Collection(Scheduling.Name)]
public sealed class CapacityTests(Scheduling scheduling)
{
    private sealed record Line(string Department, string Resource, string On, int Free, int Reserved, int Capacity);

    [Fact]
    public async Task A_week_begins_on_monday_in_china_and_holds_only_the_days_that_were_asked_for()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 1, capacity: 2);
        // Sunday 23:00 in Shanghai, and the hour after it: Monday 00:00
        await hospital.Slot(day: 6, hour: 15, capacity: 3);
        await hospital.Slot(day: 6, hour: 16, capacity: 5);
        await hospital.Slot(day: 13, hour: 15, capacity: 7);

        (await Weeks(hospital, "&from=2027-01-04&to=2027-01-17")).Should().Equal(
            Slots("2027-01-04", 5), Slots("2027-01-11", 12));
        (await Weeks(hospital, "&from=2027-01-06&to=2027-01-11")).Should().Equal(
            [Slots("2027-01-04", 3), Slots("2027-01-11", 5)], "from a Wednesday to a Monday: what was not asked for is not counted");
        (await Weeks(hospital, "&from=2027-01-18&to=2027-01-24")).Should().BeEmpty();
    }

    [Fact]
    public async Task The_year_turns_in_the_middle_of_a_week()
    {
        var hospital = scheduling.NewInstitution();
        // Friday 31 December 2027 and Saturday 1 January 2028
        await hospital.Slot(day: 361);
        await hospital.Slot(day: 362, capacity: 2);

        (await Weeks(hospital, "&from=2027-12-20&to=2028-01-09")).Should().Equal(Slots("2027-12-27", 3));
    }

    [Fact]
    public async Task A_week_is_the_sum_of_its_days_of_what_is_taken_reserved_and_withdrawn()
    {
        var hospital = scheduling.NewInstitution();
        var gone = await hospital.Slot(day: 2, hour: 4, capacity: 50);
        await hospital.Slot(day: 2, hour: 5, capacity: 4);
        await hospital.Slot(day: 4, capacity: 4);
        await hospital.Slot(day: 9, capacity: 4);
        var startsAt = Scheduling.Monday.AddDays(4).AddHours(3);
        (await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity = 6, reservedFor = "FamilyDoctor" } },
        })).EnsureSuccessStatusCode();
        (await hospital.Registrar.Command($"/v1/slots/{gone}/withdraw", new { reason = "CLINICIAN_ABSENT" })).EnsureSuccessStatusCode();
        await scheduling.Hears(A.Referral(hospital).Accepted(), A.Referral(hospital).Accepted());

        var (weeks, days) = (await Weeks(hospital, ""), await Lines(hospital, ""));

        weeks.Should().Equal(new Line("03.03", "Slot", "2027-01-04", 6, 6, 14), new Line("03.03", "Slot", "2027-01-11", 4, 0, 4));
        weeks.Sum(w => w.Free).Should().Be(days.Sum(d => d.Free));
        weeks.Sum(w => w.Reserved).Should().Be(days.Sum(d => d.Reserved));
        weeks.Sum(w => w.Capacity).Should().Be(days.Sum(d => d.Capacity));
    }

    [Fact]
    public async Task Department_and_resource_choose_what_is_counted()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        await hospital.Slot(department: "11", capacity: 2);
        await hospital.Slot(department: "11", resource: "Equipment", capacity: 3);
        await hospital.Ward(beds: 2, department: "11");
        await hospital.Ward(beds: 3, department: "21", eligibility: "RehabJointWard");

        (await Weeks(hospital, "&department=11")).Should().BeEquivalentTo(
            [new Line("11", "Slot", "2027-01-04", 2, 0, 2), new Line("11", "Equipment", "2027-01-04", 3, 0, 3)]);
        (await Weeks(hospital, "&department=11&resource=Equipment")).Should().Equal(new Line("11", "Equipment", "2027-01-04", 3, 0, 3));
        (await Weeks(hospital, "&resource=Slot")).Select(l => l.Department).Should().BeEquivalentTo("03.03", "11");
        (await Weeks(hospital, "&resource=Ward")).Should().BeEmpty("beds have no hour");
        (await Weeks(hospital, "&department=99")).Should().BeEmpty();

        async Task<IEnumerable<int>> Beds(string query) =>
            (await Ask(hospital, query)).GetProperty("beds").EnumerateArray().Select(b => b.GetProperty("free").GetInt32());
        (await Beds("")).Should().BeEquivalentTo([2, 3]);
        (await Beds("&resource=Bed")).Should().Equal(2);
        (await Beds("&resource=Ward")).Should().Equal(3);
        (await Beds("&resource=Slot")).Should().BeEmpty();
        (await Beds("&department=11")).Should().Equal(2);
    }

    [Fact]
    public async Task It_counts_and_names_nobody_to_whomever_asks()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await hospital.Slot(clinician: "dr-1");
        await hospital.Ward();
        var (visit, stay) = (A.Referral(hospital, clinic), A.Referral(hospital, clinic).Needs("Bed"));
        await scheduling.Hears(visit.Accepted(), stay.Accepted());

        foreach (var by in new[] { "day", "week" })
        {
            var answer = await scheduling.NewInstitution().As("Clinician").GetAsync($"/v1/capacity?institution={hospital.Code}&by={by}");
            answer.Content.Headers.ContentType!.ToString().Should().Be("application/json; charset=utf-8");
            var text = await answer.Content.ReadAsStringAsync();
            foreach (var secret in new[] { visit.No, stay.No, visit.Id.ToString(), stay.Id.ToString(), clinic.Code, "dr-1" })
                text.Should().NotContain(secret);
            var capacity = JsonDocument.Parse(text).RootElement;
            Members(capacity).Should().Equal("institution", "from", "to", "days", "beds");
            Members(capacity.GetProperty("days")[0]).Should().Equal("department", "resource", "on", "free", "reserved", "capacity");
            Members(capacity.GetProperty("beds")[0]).Should().Equal("department", "free", "beds");
        }
    }

    private static IEnumerable<string> Members(JsonElement of) => of.EnumerateObject().Select(m => m.Name);

    private static Line Slots(string on, int free) => new("03.03", "Slot", on, free, 0, free);

    private Task<List<Line>> Weeks(Institution hospital, string query) => Lines(hospital, "&by=week" + query);

    private async Task<List<Line>> Lines(Institution hospital, string query) =>
        [.. (await Ask(hospital, query)).GetProperty("days").EnumerateArray().Select(d => new Line(
            d.GetProperty("department").GetString()!, d.GetProperty("resource").GetString()!, d.GetProperty("on").GetString()!,
            d.GetProperty("free").GetInt32(), d.GetProperty("reserved").GetInt32(), d.GetProperty("capacity").GetInt32()))];

    // by somebody who has nothing to do with it: what is free is no secret
    private Task<JsonElement> Ask(Institution hospital, string query) =>
        scheduling.NewInstitution().As("Clinician").GetAsync($"/v1/capacity?institution={hospital.Code}{query}").Json();
}
