using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>Residents that nobody is.</summary>
internal static class Residents
{
    private static int _next = Random.Shared.Next(100, 400);

    /// <summary>A resident identity number with its check character, of an area that is not assigned.</summary>
    public static string New()
    {
        var n = Interlocked.Increment(ref _next);
        var digits = $"2106991950{1 + n % 12:00}{1 + n % 28:00}{n % 500 * 2 + 1:000}"[..17];
        int[] weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        return digits + "10X98765432"[digits.Select((d, i) => (d - '0') * weights[i]).Sum() % 11];
    }

    public static object Team(string idNo, string? specialist = "dr-0001", string? manager = "nr-0001") => new
    {
        type = "TEAM_1_1_1", patientIdNo = idNo, clinic = ReferralHost.Township, doctor = "dr-0103", specialist, healthManager = manager,
        municipal = ReferralHost.Tertiary, from = "2025-01-01",
    };

    public static object Choice(string idNo) => new
    {
        type = "INSTITUTION_1_1_1", patientIdNo = idNo, clinic = ReferralHost.Township, district = ReferralHost.County, municipal = ReferralHost.Tertiary, from = "2025-01-01",
    };

    /// <summary>The id of a fresh contract.</summary>
    public static async Task<string> Signed(ReferralHost host, object? contract = null)
    {
        var answer = await host.As(ReferralHost.Township).Command("/v1/contracts", contract ?? Team(New()));
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return (await answer.Json()).GetProperty("id").GetString()!;
    }

    /// <summary>The slip of this resident, without a target unless it is said.</summary>
    public static Action<JsonObject> Slip(string idNo, Action<JsonObject>? change = null) => slip =>
    {
        slip["patient"] = new JsonObject { ["name"] = "签约居民", ["sex"] = "1", ["birthDate"] = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", ["idNo"] = idNo };
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        change?.Invoke(slip);
    };
}

/// <summary>Family-doctor contracts: the register, and what a contract does to a referral.</summary>
[Collection("referral")]
public sealed class ContractTests(ReferralHost host)
{
    private static async Task<JsonElement> Is(Task<HttpResponseMessage> asked, HttpStatusCode status, string? code = null)
    {
        var answer = await asked;
        var body = await answer.Content.ReadAsStringAsync();
        answer.StatusCode.Should().Be(status, body);
        var json = JsonDocument.Parse(body).RootElement;
        if (code is not null)
            json.GetProperty("code").GetString().Should().Be(code);
        return json;
    }

    private HttpClient Clinic => host.As(ReferralHost.Township);

    [Fact]
    public async Task The_number_is_hashed_at_once_and_only_its_mask_is_kept()
    {
        var idNo = Residents.New();
        var id = await Residents.Signed(host, Residents.Team(idNo));
        var row = (await host.Database.Query<string>("select c::text from contract c where id = @id", new { id })).Single();
        row.Should().NotContain(idNo).And.Contain(idNo[..6] + "********" + idNo[^4..]);
        (await Is(Clinic.GetAsync($"/v1/contracts/{id}"), HttpStatusCode.OK)).GetRawText().Should().NotContain(idNo);
        (await Is(Clinic.Command("/v1/contracts/find", new { patientIdNo = idNo }), HttpStatusCode.OK)).GetProperty("items")[0].GetProperty("id").GetString().Should().Be(id);
    }

    [Fact]
    public async Task One_contract_of_a_type_at_a_time_and_both_types_beside_each_other()
    {
        var idNo = Residents.New();
        var first = await Residents.Signed(host, Residents.Team(idNo));
        await Residents.Signed(host, Residents.Choice(idNo));
        await Is(Clinic.Command("/v1/contracts", Residents.Team(idNo)), HttpStatusCode.Conflict, "overlapping-period");
        await Is(Clinic.Command($"/v1/contracts/{first}/end", new { until = "2025-06-30" }), HttpStatusCode.OK);
        await Is(Clinic.Command("/v1/contracts", new
        {
            type = "TEAM_1_1_1", patientIdNo = idNo, clinic = ReferralHost.Township, doctor = "dr-0103", from = "2025-07-01",
        }), HttpStatusCode.Created);
    }

    [Fact]
    public async Task Six_who_sign_the_same_resident_at_once_make_one_contract()
    {
        var idNo = Residents.New();
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Clinic.Command("/v1/contracts", Residents.Team(idNo))));
        answers.Count(a => a.StatusCode == HttpStatusCode.Created).Should().Be(1);
        answers.Where(a => a.StatusCode != HttpStatusCode.Created).Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task Strangers_find_no_contract_and_another_clinic_signs_none_for_this_one()
    {
        var id = await Residents.Signed(host);
        await Is(host.As(ReferralHost.Stranger).GetAsync($"/v1/contracts/{id}"), HttpStatusCode.NotFound, "not-found");
        await Is(host.As(ReferralHost.Stranger).Command($"/v1/contracts/{id}/end", new { until = "2026-12-31" }), HttpStatusCode.NotFound, "not-found");
        await Is(host.As(ReferralHost.OtherTownship).Command("/v1/contracts", Residents.Team(Residents.New())), HttpStatusCode.Forbidden, "forbidden");
        await Is(host.As(ReferralHost.Tertiary).Command($"/v1/contracts/{id}/end", new { until = "2026-12-31" }), HttpStatusCode.Forbidden, "forbidden");
        await Is(host.As(ReferralHost.Tertiary, purpose: "BILLING").Command("/v1/contracts/find", new { patientIdNo = Residents.New() }), HttpStatusCode.Forbidden, "forbidden");
    }

    [Fact]
    public async Task A_choice_needs_three_institutions_a_team_its_doctor_and_a_doctor_works_where_it_says()
    {
        var idNo = Residents.New();
        (await Is(Clinic.Command("/v1/contracts", new { type = "INSTITUTION_1_1_1", patientIdNo = idNo, clinic = ReferralHost.Township, from = "2026-01-01" }), HttpStatusCode.BadRequest))
            .GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().BeEquivalentTo("/district", "/municipal");
        await Is(Clinic.Command("/v1/contracts", new { type = "TEAM_1_1_1", patientIdNo = idNo, clinic = ReferralHost.Township, from = "2026-01-01" }), HttpStatusCode.BadRequest);
        await Is(Clinic.Command("/v1/contracts", new { type = "TEAM_1_1_1", patientIdNo = idNo, clinic = ReferralHost.Township, doctor = "dr-0001", from = "2026-01-01" }),
            HttpStatusCode.UnprocessableEntity, "rule-broken");
        await Is(Clinic.Command("/v1/contracts", new { type = "TEAM_1_1_1", patientIdNo = "110105194902300020", clinic = ReferralHost.Township, doctor = "dr-0103", from = "2026-01-01" }),
            HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Without_a_target_a_team_goes_to_its_specialists_hospital_and_a_choice_one_step_up()
    {
        var (team, choice) = (Residents.New(), Residents.New());
        await Residents.Signed(host, Residents.Team(team));
        await Residents.Signed(host, Residents.Choice(choice));
        var up = await A.Submitted(host, Residents.Slip(team, slip => slip.Remove("to")));
        (await up.Look()).GetProperty("receiver").GetProperty("code").GetString().Should().Be(ReferralHost.Tertiary);
        var district = await A.Submitted(host, Residents.Slip(choice, slip => slip.Remove("to")));
        (await district.Look()).GetProperty("receiver").GetProperty("code").GetString().Should().Be(ReferralHost.County);
    }

    [Fact]
    public async Task Without_target_contract_or_grid_it_is_asked_where_to_and_a_grid_answers()
    {
        var slip = A.UpwardSlip(change: s => s.Remove("to"));
        (await Is(Clinic.Command("/v1/referrals?submit=true", slip), HttpStatusCode.UnprocessableEntity, "rule-broken"))
            .GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/to");
        slip["patient"]!["grid"] = "210681-05";
        var referral = await Is(Clinic.Command("/v1/referrals?submit=true", slip), HttpStatusCode.Created);
        (await Is(Clinic.GetAsync("/v1/referrals/" + referral.GetProperty("id").GetGuid()), HttpStatusCode.OK)).GetProperty("receiver").GetProperty("code").GetString()
            .Should().Be(ReferralHost.County);
    }

    [Fact]
    public async Task A_contracted_patient_goes_first_and_the_reason_is_shown()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        // what others submitted at the same moment has any place before or behind it
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var signed = await A.Submitted(host, Residents.Slip(idNo, slip => slip["priority"] = "Routine"));
        var line = (await Is(host.As(ReferralHost.Tertiary).GetAsync("/v1/referrals?as=receiver&limit=5"), HttpStatusCode.OK)).GetProperty("items").EnumerateArray()
            .Single(l => l.GetProperty("id").GetGuid() == signed.Id);
        line.GetProperty("contracted").GetBoolean().Should().BeTrue();
        line.GetProperty("priorityReason").GetProperty("code").GetString().Should().Be("FAMILY_DOCTOR_CONTRACT");
        line.GetProperty("priorityReason").GetProperty("text").GetString().Should().Contain("签约");
        (await (await A.Submitted(host, slip => slip["priority"] = "Routine")).Look()).TryGetProperty("priorityReason", out _).Should().BeFalse();
    }

    [Fact]
    public async Task In_the_order_of_priority_stand_emergencies_then_urgent_then_contracted_ones_and_who_waits_longest()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        // a receiver of its own: nobody else's referrals stand in between
        static Action<JsonObject> In(string priority) => slip =>
        {
            (slip["priority"], slip["to"]!["department"]) = (priority, "02");
            // the rules would warn against a township for this illness; that is not what is looked at here
            foreach (var member in new[] { "diagnosis", "indications", "override" })
                slip.Remove(member);
        };
        var plain = await A.Submitted(host, In("Routine"), ReferralHost.OtherTownship);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var later = await A.Submitted(host, In("Routine"), ReferralHost.OtherTownship);
        host.Clock.Advance(TimeSpan.FromSeconds(1));
        var contracted = await A.Submitted(host, Residents.Slip(idNo, In("Routine")), ReferralHost.OtherTownship);
        var urgent = await A.Submitted(host, In("Urgent"), ReferralHost.OtherTownship);
        var seen = new List<Guid>();
        var address = "/v1/referrals?as=receiver&open=true&order=priority&limit=1";
        for (string? next = ""; next is not null;)
        {
            var page = await Is(host.As(ReferralHost.OtherTownship).GetAsync(address + (next == "" ? "" : "&cursor=" + next)), HttpStatusCode.OK);
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(l => l.GetProperty("id").GetGuid()));
            next = page.TryGetProperty("next", out var cursor) ? cursor.GetString() : null;
        }
        seen.Should().OnlyHaveUniqueItems().And.ContainInOrder(urgent.Id, contracted.Id, plain.Id, later.Id);
        await Is(host.As(ReferralHost.OtherTownship).GetAsync("/v1/referrals?order=name"), HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task The_three_of_a_team_are_named_in_every_event_by_their_ids()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        var referral = await A.Submitted(host, Residents.Slip(idNo));
        (await referral.Look()).GetProperty("participants").EnumerateArray().Select(p => p.GetString()).Should().Equal("dr-0103", "dr-0001", "nr-0001");
        (await host.Database.Query<string>("select participants::text from referral where id = @id", new { id = referral.Id })).Single().Should().Be("{dr-0103,dr-0001,nr-0001}");
    }

    [Fact]
    public async Task The_family_doctor_reads_what_another_clinic_sends_and_nobody_else_there_does()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        var referral = await A.Submitted(host, Residents.Slip(idNo), sender: ReferralHost.OtherTownship);
        var path = $"/v1/referrals/{referral.Id}";
        await Is(host.As(ReferralHost.Township, subject: "dr-0103").GetAsync(path), HttpStatusCode.OK);
        await Is(host.As(ReferralHost.Township, subject: "dr-0104").GetAsync(path), HttpStatusCode.NotFound);
        await Is(host.As(ReferralHost.Stranger, subject: "dr-0103").GetAsync(path), HttpStatusCode.NotFound);
        await Is(host.As(ReferralHost.Township, subject: "dr-0103").Command(path + "/accept", new { }, "*"), HttpStatusCode.Forbidden);
        (await Is(host.As(ReferralHost.Township, subject: "dr-0103").GetAsync("/v1/referrals?as=familyDoctor"), HttpStatusCode.OK)).GetProperty("items").EnumerateArray()
            .Should().Contain(l => l.GetProperty("id").GetGuid() == referral.Id);
    }

    [Fact]
    public async Task A_patient_discharged_without_having_been_referred_goes_to_the_contracted_clinic()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        var slip = ReferralHost.Slip("02");
        Residents.Slip(idNo)(slip);
        slip.Remove("to");
        var answer = await Is(host.As(ReferralHost.Tertiary).Command("/v1/referrals?submit=true", slip), HttpStatusCode.Created);
        (await Is(host.As(ReferralHost.Tertiary).GetAsync("/v1/referrals/" + answer.GetProperty("id").GetGuid()), HttpStatusCode.OK))
            .GetProperty("receiver").GetProperty("code").GetString().Should().Be(ReferralHost.Township);
    }

    [Fact]
    public async Task A_contract_that_has_ended_gives_nothing()
    {
        var idNo = Residents.New();
        var id = await Residents.Signed(host, Residents.Team(idNo));
        await Is(Clinic.Command($"/v1/contracts/{id}/end", new { until = ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(-1) }), HttpStatusCode.OK);
        var referral = await A.Submitted(host, Residents.Slip(idNo));
        (await referral.Look()).GetProperty("contracted").GetBoolean().Should().BeFalse();
        (await Is(Clinic.Command("/v1/contracts/find", new { patientIdNo = idNo }), HttpStatusCode.OK)).GetProperty("items").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task What_a_patient_asks_for_lies_with_the_family_doctor_as_a_draft_that_only_the_doctor_makes_a_referral()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        object Request(string? id = null, string? grid = null) => new
        {
            channel = "APP", complaint = "头晕三天", patient = new { name = "申请人", sex = "1", birthDate = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", idNo = id, grid },
        };
        var app = host.As(ReferralHost.County, "Machine", "health-app");
        await Is(Clinic.Command("/v1/referral-requests", Request(idNo)), HttpStatusCode.Forbidden);
        var answer = await Is(app.Command("/v1/referral-requests", Request(idNo)), HttpStatusCode.Created);
        answer.GetProperty("state").GetString().Should().Be("Draft");
        answer.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("Intake");
        var path = $"/v1/referrals/{answer.GetProperty("id").GetGuid()}";
        await Is(app.GetAsync(path), HttpStatusCode.NotFound);
        var view = await Is(Clinic.GetAsync(path), HttpStatusCode.OK);
        view.GetProperty("senderClinician").GetString().Should().Be("dr-0103");
        view.GetProperty("flags").EnumerateArray().Select(f => f.GetString()).Should().Contain("REQUESTED_BY_PATIENT");

        await Is(Clinic.Command(path + "/submit", new { }, "*"), HttpStatusCode.UnprocessableEntity, "rule-broken");
        var slip = A.UpwardSlip(change: Residents.Slip(idNo));
        await Is(Clinic.Command(path + "/amend", new { slip }, "*"), HttpStatusCode.OK);
        (await Is(Clinic.Command(path + "/submit", new { }, "*"), HttpStatusCode.OK)).GetProperty("state").GetString().Should().Be("Submitted");

        await Is(app.Command("/v1/referral-requests", Request(grid: "210681-04")), HttpStatusCode.Created);
        await Is(app.Command("/v1/referral-requests", Request(Residents.New())), HttpStatusCode.BadRequest);
        await Is(app.Command("/v1/referral-requests", Request(grid: "none")), HttpStatusCode.UnprocessableEntity, "rule-broken");
    }

    [Fact]
    public async Task A_request_the_family_doctor_does_not_look_at_climbs_to_the_head_of_the_clinic()
    {
        var idNo = Residents.New();
        await Residents.Signed(host, Residents.Team(idNo));
        var answer = await Is(host.As(ReferralHost.County, "Machine").Command("/v1/referral-requests", new
        {
            channel = "MINI_PROGRAM", complaint = "胸闷", patient = new { name = "申请人", sex = "1", birthDate = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", idNo },
        }), HttpStatusCode.Created);
        await host.Pass(TimeSpan.FromHours(25));
        (await host.Database.Query<string>("select event from history where referral_id = @id order by version", new { id = answer.GetProperty("id").GetGuid() }))
            .Should().Equal("drafted", "deadline-missed");
    }
}
