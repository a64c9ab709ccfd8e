using System.Net;

namespace SchedulingService.Tests;

/// <summary>The rehab joint ward (康复联合病房). The clock is its own: days pass.</summary>
public sealed class JointWardTests(Scheduling scheduling) : IClassFixture<Scheduling>
{
    private const string Joint = "RehabJointWard";

    [Fact]
    public async Task A_bound_ward_says_who_leads_it_whom_it_takes_and_when_rounds_are_made()
    {
        var (clinic, hospital, ward) = await Bound();

        var seen = await scheduling.NewInstitution().As("Clinician").GetAsync($"/v1/wards/{ward}").Json();

        seen.GetProperty("hospital").GetString().Should().Be(hospital.Code);
        seen.GetProperty("director").GetString().Should().Be("dr-1");
        seen.GetProperty("headNurse").GetString().Should().Be("nurse-1");
        seen.GetProperty("eligibility").GetString().Should().Be(Joint);
        seen.GetProperty("beds").GetArrayLength().Should().Be(3);
        seen.GetProperty("institution").GetString().Should().Be(clinic.Code);
    }

    [Fact]
    public async Task Rounds_follow_the_schedule_and_those_made_are_on_record_once()
    {
        var (clinic, hospital, ward) = await Bound();
        var list = $"/v1/wards/{ward}/rounds?from=2027-01-04&to=2027-01-17";
        var planned = (await hospital.As("Clinician").GetAsync(list).Json()).GetProperty("items").EnumerateArray().Select(r => r.GetProperty("at").GetDateTimeOffset()).ToList();
        planned.Should().Equal(Scheduling.Monday.AddDays(1).AddHours(1), Scheduling.Monday.AddDays(8).AddHours(1));

        var made = await hospital.As("Clinician").Command($"/v1/wards/{ward}/rounds", new { plannedAt = planned[0], madeAt = Scheduling.Monday.AddDays(-1), clinician = "dr-2" });
        made.StatusCode.Should().Be(HttpStatusCode.Created);
        ((int)(await clinic.As("Clinician").Command($"/v1/wards/{ward}/rounds", new { plannedAt = planned[0] })).StatusCode).Should().Be(409);
        ((int)(await clinic.As("Clinician").Command($"/v1/wards/{ward}/rounds", new { plannedAt = planned[0].AddMinutes(1) })).StatusCode).Should().Be(422);
        ((int)(await clinic.As("Clinician").Command($"/v1/wards/{ward}/rounds", new { madeAt = scheduling.Clock.GetUtcNow().AddHours(1), clinician = "dr-2" })).StatusCode).Should().Be(400);
        ((int)(await clinic.As("Clinician").Command($"/v1/wards/{ward}/rounds", new { clinician = "dr-9" })).StatusCode).Should().Be(201, "a round may be made that nobody planned");

        var first = (await clinic.As("Clinician").GetAsync(list).Json()).GetProperty("items").EnumerateArray().First(r => r.GetProperty("planned").GetBoolean());
        first.GetProperty("clinician").GetString().Should().Be("dr-2");
        first.TryGetProperty("madeAt", out _).Should().BeTrue();
    }

    [Fact]
    public async Task The_daily_view_counts_who_lies_there_who_is_expected_and_who_came_and_left()
    {
        var (clinic, hospital, ward) = await Bound();
        scheduling.Clock.Advance(scheduling.Clock.GetUtcNow().Date.AddDays(1).AddHours(1) - scheduling.Clock.GetUtcNow().UtcDateTime);
        var today = scheduling.Clock.GetUtcNow();
        var (stays, leaves, comes) = (Down(clinic), Down(clinic), Down(clinic));
        await scheduling.Hears(stays.Accepted(), leaves.Accepted(), stays.Arrived(), leaves.Arrived());
        scheduling.Clock.Advance(TimeSpan.FromDays(2));
        await scheduling.Hears(leaves.Completed(), comes.Within(scheduling.Clock.GetUtcNow(), scheduling.Clock.GetUtcNow().AddDays(7)).Accepted());

        var days = (await hospital.As("Head").GetAsync($"/v1/wards/{ward}/occupancy?from={today:yyyy-MM-dd}&to={today.AddDays(3):yyyy-MM-dd}").Json())
            .GetProperty("items").EnumerateArray()
            .Select(d => string.Join(' ', new[] { "beds", "occupied", "kept", "free", "cameIn", "left" }.Select(n => d.GetProperty(n).GetInt32()))).ToList();

        days.Should().Equal("3 2 0 1 2 0", "3 2 0 1 0 0", "3 2 0 1 0 1", "3 1 1 1 0 0");
    }

    [Fact]
    public async Task Only_the_two_of_the_ward_see_its_days_and_rounds_and_only_its_own_institution_binds_it()
    {
        var (_, hospital, ward) = await Bound();
        var stranger = scheduling.NewInstitution();

        foreach (var path in new[] { "rounds", "occupancy" })
        {
            ((int)(await stranger.As("Clinician").GetAsync($"/v1/wards/{ward}/{path}")).StatusCode).Should().Be(404);
            ((int)(await hospital.As("Insurer").GetAsync($"/v1/wards/{ward}/{path}")).StatusCode).Should().Be(403);
            ((int)(await hospital.As("Clinician").GetAsync($"/v1/wards/{ward}/{path}")).StatusCode).Should().Be(200);
        }
        ((int)(await hospital.Registrar.Command($"/v1/wards/{ward}/bind", Binding(stranger))).StatusCode).Should().Be(404);
    }

    [Fact]
    public async Task A_ward_that_takes_anyone_is_not_bound_and_one_of_a_set_gives_its_beds_to_that_set_alone()
    {
        var (clinic, hospital) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await scheduling.Hears(A.Referral(scheduling.NewInstitution()).Needs("Ward", "AnotherSet").Accepted());
        var (open, other) = (await clinic.Ward(beds: 0, department: "21"), await clinic.Ward(department: "21", eligibility: "AnotherSet"));

        var refused = await clinic.Registrar.Command($"/v1/wards/{open}/bind", Binding(hospital));
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await refused.Json()).GetProperty("code").GetString().Should().Be("ward-open-to-all");
        (await clinic.Registrar.GetAsync($"/v1/wards/{open}").Json()).TryGetProperty("hospital", out _).Should().BeFalse("nothing was bound");
        (await clinic.Registrar.Command($"/v1/wards/{other}/bind", Binding(hospital))).StatusCode.Should().Be(HttpStatusCode.OK);

        var (stroke, eligible) = (Down(clinic), A.Referral(clinic).Needs("Ward", "AnotherSet").Department("21"));
        await scheduling.Hears(stroke.Accepted(), eligible.Accepted());
        (await scheduling.Waits(stroke)).Should().BeTrue("the set of the ward is another one");
        (await scheduling.Bookings(eligible)).Single().Resource.Should().Be("Ward");
    }

    [Theory]
    [InlineData("RehabJointward")]
    [InlineData("康复联合病房")]
    public async Task A_set_that_no_referral_names_is_refused_with_the_names_there_are(string misspelt)
    {
        var (clinic, hospital, ward) = await Bound();

        var opened = await clinic.Registrar.Command("/v1/wards", new { name = "新病区", department = "21", beds = new[] { "01" }, eligibility = misspelt });
        var bound = await clinic.Registrar.Command($"/v1/wards/{ward}/bind", Binding(hospital, misspelt));

        foreach (var refused in new[] { opened, bound })
        {
            refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
            var problem = await refused.Json();
            problem.GetProperty("code").GetString().Should().Be("unknown-set");
            problem.GetProperty("sets").EnumerateArray().Select(s => s.GetString()).Should().Contain(Joint).And.NotContain(misspelt);
        }
        (await clinic.Registrar.GetAsync($"/v1/wards/{ward}").Json()).GetProperty("eligibility").GetString().Should().Be(Joint);
    }

    [Fact]
    public async Task A_set_is_known_once_a_referral_names_it()
    {
        var (clinic, set) = (scheduling.NewInstitution(), "Set" + Guid.NewGuid().ToString("n")[..8]);
        Task<HttpResponseMessage> Open() => clinic.Registrar.Command("/v1/wards", new { name = "心脏康复", department = "21", beds = new[] { "01" }, eligibility = set });
        (await Open()).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        var referral = A.Referral(clinic).Needs("Ward", set).Department("21");

        await scheduling.Hears(referral.Accepted());

        (await Open()).StatusCode.Should().Be(HttpStatusCode.Created);
        (await scheduling.Bookings(referral)).Single().Resource.Should().Be("Ward", "he waited for it");
    }

    [Fact]
    public async Task Beds_of_a_set_are_told_as_free_once_a_referral_names_it()
    {
        var (clinic, set) = (scheduling.NewInstitution(), "Set" + Guid.NewGuid().ToString("n")[..8]);
        var ward = await clinic.Ward(beds: 2, department: "21");
        // opened before sets were looked at
        await scheduling.Database.Execute("update ward set eligibility = @set where id = @ward", new { ward, set });
        await Eventually.Is(() => Task.FromResult(Told("Bed") == 0 && Told("Ward") <= 0), "they are no beds for everybody, and nobody's yet");

        await scheduling.Hears(A.Referral(scheduling.NewInstitution()).Needs("Ward", set).Department("21").Accepted());

        await Eventually.Is(() => Task.FromResult(Told("Ward") == 2), "there are patients for them now");

        int Told(string resource) => scheduling.ToldOf(clinic, resource);
    }

    [Fact]
    public async Task A_ward_of_a_misspelt_set_says_that_it_takes_nobody_until_it_is_bound_with_the_right_one()
    {
        var (clinic, hospital, ward) = await Bound();
        // opened before sets were looked at
        await scheduling.Database.Execute("update ward set eligibility = 'RehabJointward' where id = @ward", new { ward });
        var stroke = Down(clinic);
        await scheduling.Hears(stroke.Accepted());
        (await scheduling.Waits(stroke)).Should().BeTrue();
        (await TakesNobody()).Should().Equal(true, true);
        (await Free()).Should().Be(0, "a bed that nobody gets is no capacity");

        var bound = await clinic.Registrar.Command($"/v1/wards/{ward}/bind", Binding(hospital, Joint)).Json();

        bound.GetProperty("served").GetInt32().Should().Be(1);
        (await scheduling.Bookings(stroke)).Single().Resource.Should().Be("Ward");
        (await TakesNobody()).Should().Equal(false, false);
        var beds = (await clinic.Registrar.GetAsync($"/v1/wards/{ward}").Json()).GetProperty("beds").GetArrayLength();
        (await Free()).Should().Be(beds - 1, "one of them is taken now");

        async Task<int> Free() =>
            (await clinic.Registrar.GetAsync("/v1/capacity").Json()).GetProperty("beds").EnumerateArray().Sum(b => b.GetProperty("free").GetInt32());

        async Task<IEnumerable<bool>> TakesNobody() =>
        [
            (await clinic.Registrar.GetAsync($"/v1/wards/{ward}").Json()).GetProperty("takesNobody").GetBoolean(),
            (await clinic.Registrar.GetAsync("/v1/wards").Json()).GetProperty("items")[0].GetProperty("takesNobody").GetBoolean(),
        ];
    }

    [Fact]
    public async Task A_ward_that_becomes_one_of_a_set_is_told_as_one()
    {
        var (clinic, hospital) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var ward = await clinic.Ward(beds: 2, department: "21");
        await Eventually.Is(() => Task.FromResult(Free("Bed") == 2), "its beds are told");

        (await clinic.Registrar.Command($"/v1/wards/{ward}/bind", Binding(hospital, Joint))).EnsureSuccessStatusCode();

        await Eventually.Is(() => Task.FromResult(Free("Bed") == 0 && Free("Ward") == 2), "they are told as those of a joint ward");

        int Free(string resource) => scheduling.ToldOf(clinic, resource);
    }

    [Theory]
    [InlineData("a name for an id", "director", "张医生", "/director")]
    [InlineData("no code of an institution", "hospital", "演示市中心医院", "/hospital")]
    [InlineData("the ward's own institution", "hospital", "own", "/hospital")]
    [InlineData("no such weekday", "weekday", "9", "/rounds/0/weekday")]
    [InlineData("no such hour", "at", "24:61", "/rounds/0/at")]
    [InlineData("diagnoses are the referral service's", "diagnoses", "I63", "/diagnoses")]
    public async Task Bad_bindings_are_refused_by_pointer(string what, string member, string value, string pointer)
    {
        var (clinic, hospital, ward) = await Bound();
        var body = new Dictionary<string, object>
        {
            ["hospital"] = member != "hospital" ? hospital.Code : value == "own" ? clinic.Code : value, ["director"] = member == "director" ? value : "dr-1", ["headNurse"] = "nurse-1",
            ["rounds"] = new[] { new { weekday = member == "weekday" ? int.Parse(value) : 2, at = member == "at" ? value : "09:00", clinician = "dr-1" } },
        };
        if (member == "diagnoses")
            body[member] = new[] { value };
        var answer = await clinic.Registrar.Command($"/v1/wards/{ward}/bind", body);
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, what);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    private static object Binding(Institution hospital, string? eligibility = null) => new
    {
        hospital = hospital.Code, director = "dr-1", headNurse = "nurse-1",
        rounds = new[] { new { weekday = 2, at = "09:00", clinician = "dr-1" } }, place = "住院楼二层", eligibility,
    };

    private async Task<(Institution Clinic, Institution Hospital, Guid Ward)> Bound()
    {
        var (clinic, hospital) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var ward = await clinic.Ward(beds: 3, department: "21", eligibility: Joint);
        (await clinic.Registrar.Command($"/v1/wards/{ward}/bind", Binding(hospital))).EnsureSuccessStatusCode();
        return (clinic, hospital, ward);
    }

    private AReferral Down(Institution clinic)
    {
        var now = scheduling.Clock.GetUtcNow();
        return A.Referral(clinic).Needs("Ward", Joint).Department("21").Within(now, now.AddDays(7));
    }
}
