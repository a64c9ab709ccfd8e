using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>One level at a time, the village drafts, the lead hospital signs what leaves the region; and no way around it.</summary>
public sealed class TierTests : IAsyncLifetime
{
    // a village of the township, and a hospital of another region in no alliance
    private const string Village = "village", Far = "far";
    private readonly ReferralHost _host = new();
    private readonly Dictionary<string, string> _codes = new() { [Village] = Codes.New(), [Far] = Codes.New() };

    public async Task InitializeAsync()
    {
        await _host.InitializeAsync();
        await Put(_codes[Village], "VillageClinic", "210681", ReferralHost.Township);
        await Put(_codes[Far], "SecondaryHospital", "210999", null);
        await Is(Operator.PutAsJsonAsync($"/v1/institutions/{_codes[Far]}/departments/03.03", new { name = "神经内科" }), HttpStatusCode.Created);
        await Is(Operator.PutAsJsonAsync($"/v1/alliances/al-county/members/{_codes[Village]}/2024-01-01", new { }), HttpStatusCode.Created);

        Task Put(string code, string level, string region, string? parent) => Is(Operator.PutAsJsonAsync($"/v1/institutions/{code}",
            new { name = code, level, type = "General", ownership = "Public", region, parent, synthetic = true }, ServiceDefaults.Json.Lenient), HttpStatusCode.Created);
    }

    public Task DisposeAsync() => _host.DisposeAsync();

    private HttpClient Operator => _host.As(ReferralHost.County, "Operator");
    private HttpClient InVillage => _host.As(_codes[Village], subject: "dr-village");
    private HttpClient Township(string subject = "dr-township", string role = "Clinician") => _host.As(ReferralHost.Township, role, subject);

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

    // whoever sends it: the slip names no institution of the referrer
    private static JsonObject Slip(string receiver = ReferralHost.Tertiary, Action<JsonObject>? change = null) => A.UpwardSlip(receiver, slip =>
    {
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        foreach (var member in new[] { "diagnosis", "indications", "override" })
            slip.Remove(member);
        change?.Invoke(slip);
    });

    private static string Pointer(JsonElement problem) => problem.GetProperty("errors")[0].GetProperty("pointer").GetString()!;

    [Fact]
    public async Task A_village_clinic_drafts_and_the_doctor_of_its_township_submits()
    {
        var slip = Slip(ReferralHost.County);
        await Is(InVillage.Command("/v1/referrals?submit=true", slip), HttpStatusCode.UnprocessableEntity, "rule-broken");
        var draft = await Is(InVillage.Command("/v1/referrals", slip), HttpStatusCode.Created);
        draft.GetProperty("availableActions").EnumerateArray().Select(a => a.GetString()).Should().BeEquivalentTo("amend", "discard");
        var path = $"/v1/referrals/{draft.GetProperty("id").GetGuid()}";
        await Is(InVillage.Command(path + "/submit", new { }, "*"), HttpStatusCode.Forbidden);
        await Is(InVillage.Command(path + "/amend", new { slip }, "*"), HttpStatusCode.OK);
        (await Is(Township().Command(path + "/submit", new { }, "*"), HttpStatusCode.OK)).GetProperty("state").GetString().Should().Be("Submitted");
        var view = await Is(InVillage.GetAsync(path), HttpStatusCode.OK);
        view.GetProperty("sender").GetProperty("code").GetString().Should().Be(ReferralHost.Township);
        view.GetProperty("senderClinician").GetString().Should().Be("dr-township");
        view.GetProperty("origin").GetProperty("code").GetString().Should().Be(_codes[Village]);
        view.TryGetProperty("slip", out _).Should().BeTrue("it wrote it");
        (await Is(InVillage.GetAsync("/v1/referrals?as=drafter"), HttpStatusCode.OK)).GetProperty("items").GetArrayLength().Should().Be(1);
    }

    [Fact]
    public async Task A_village_clinic_refers_to_its_township_itself_by_default_and_an_emergency_anywhere()
    {
        var up = await Is(InVillage.Command("/v1/referrals?submit=true", Slip(change: slip => slip.Remove("to"))), HttpStatusCode.Created);
        (await Is(InVillage.GetAsync("/v1/referrals/" + up.GetProperty("id").GetGuid()), HttpStatusCode.OK)).GetProperty("receiver").GetProperty("code").GetString()
            .Should().Be(ReferralHost.Township);
        await Is(InVillage.Command("/v1/referrals?submit=true", Slip(ReferralHost.County, slip => (slip["priority"], slip["greenChannel"]) = ("Emergency", "ChestPain"))), HttpStatusCode.Created);
    }

    [Fact]
    public async Task No_draft_rewritten_and_no_reason_given_takes_a_village_past_its_township()
    {
        var draft = await Is(InVillage.Command("/v1/referrals", Slip(change: slip => slip.Remove("to"))), HttpStatusCode.Created);
        var path = $"/v1/referrals/{draft.GetProperty("id").GetGuid()}";
        await Is(InVillage.Command(path + "/amend", new { slip = Slip(ReferralHost.County, slip => slip["levelSkipReason"] = "患者要求") }, "*"), HttpStatusCode.OK);
        Pointer(await Is(InVillage.Command(path + "/submit", new { }, "*"), HttpStatusCode.UnprocessableEntity, "rule-broken")).Should().Be("/to/institution");
        // an alliance may let its villages send themselves
        await Is(_host.As(ReferralHost.County, "AllianceOffice").Command("/v1/settings", new { alliance = "al-county", villageClinicsSubmit = true }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromSeconds(1));
        await Is(InVillage.Command(path + "/submit", new { }, "*"), HttpStatusCode.OK);
    }

    [Fact]
    public async Task What_leaves_the_region_says_why_and_is_signed_by_the_lead_hospital()
    {
        JsonObject Leaving(bool reasoned) => Slip(_codes[Far], slip =>
        {
            if (reasoned)
                slip["leaveRegionReason"] = "本区域无该专科";
        });
        Pointer(await Is(Township().Command("/v1/referrals?submit=true", Leaving(false)), HttpStatusCode.UnprocessableEntity, "rule-broken")).Should().Be("/leaveRegionReason");
        await Is(Township().Command("/v1/referrals?submit=true", Leaving(true)), HttpStatusCode.Conflict, "review-needed");
        var draft = await Is(Township().Command("/v1/referrals", Leaving(true)), HttpStatusCode.Created);
        var path = $"/v1/referrals/{draft.GetProperty("id").GetGuid()}";
        await Is(Township().Command(path + "/submit", new { }, "*"), HttpStatusCode.Conflict, "review-needed");
        await Is(_host.As(ReferralHost.County, "Head", "head-county").GetAsync(path), HttpStatusCode.NotFound);
        await Is(Township().Command(path + "/send-for-review", new { }, "*"), HttpStatusCode.OK);
        await Is(Township("head-township", "Head").Command(path + "/approve", new { }, "*"), HttpStatusCode.Forbidden);
        await Is(_host.As(ReferralHost.County, "Head", "head-county").GetAsync(path), HttpStatusCode.OK);
        (await Is(_host.As(ReferralHost.County, "Head", "head-county").Command(path + "/approve", new { }, "*"), HttpStatusCode.OK)).GetProperty("state").GetString().Should().Be("Submitted");
        var view = await Is(Township().GetAsync(path), HttpStatusCode.OK);
        view.GetProperty("flags").EnumerateArray().Select(f => f.GetString()).Should().Contain("OUT_OF_REGION");
    }

    [Fact]
    public async Task A_redirect_is_no_way_out_of_the_region_and_no_way_past_a_level()
    {
        var referral = await A.Submitted(_host, receiver: ReferralHost.County);
        var out_ = new { institution = _codes[Far], department = "03.03", reason = "NO_CAPACITY", patientAgrees = true };
        // the receiver is the lead hospital itself: what it redirects it has seen
        await Is(Township().Command($"/v1/referrals/{referral.Id}/redirect", out_, "*"), HttpStatusCode.UnprocessableEntity, "rule-broken");
        await Is(_host.As(ReferralHost.County).Command($"/v1/referrals/{referral.Id}/redirect", out_, "*"), HttpStatusCode.OK);
        (await Is(Township().GetAsync($"/v1/referrals/{referral.Id}"), HttpStatusCode.OK)).GetProperty("flags").GetRawText().Should().Contain("OUT_OF_REGION");
    }

    [Fact]
    public async Task An_onward_referral_that_leaves_the_region_is_drafted_and_waits_for_the_signature()
    {
        var referral = await A.Submitted(_host, receiver: ReferralHost.County);
        await referral.Does("accept", new { department = "03.03" });
        await referral.Does("arrive", new { identifiedBy = "IdCard" });
        var onward = Slip(_codes[Far], slip =>
        {
            slip.Remove("patient");
            slip["leaveRegionReason"] = "本区域无该专科";
        });
        var answer = await Is(_host.As(ReferralHost.County).Command($"/v1/referrals/{referral.Id}/refer-onward", new { slip = onward }, "*"), HttpStatusCode.OK);
        answer.GetProperty("linked")[0].GetProperty("state").GetString().Should().Be("InternalReview");
        var path = $"/v1/referrals/{answer.GetProperty("linked")[0].GetProperty("id").GetGuid()}";
        (await Is(_host.As(ReferralHost.County, "Head", "head-county").Command(path + "/approve", new { }, "*"), HttpStatusCode.OK)).GetProperty("state").GetString().Should().Be("Submitted");
    }

    [Fact]
    public async Task An_onward_referral_that_is_sent_back_and_amended_keeps_the_person_of_its_episode()
    {
        var referral = await A.Submitted(_host, Residents.Slip(Residents.New()), ReferralHost.County);
        await referral.Does("accept", new { department = "03.03" });
        await referral.Does("arrive", new { identifiedBy = "IdCard" });
        JsonObject Onward(JsonObject? patient) => Slip(_codes[Far], slip =>
        {
            slip["leaveRegionReason"] = "本区域无该专科";
            slip["patient"] = patient;
        });
        var answer = await Is(_host.As(ReferralHost.County).Command($"/v1/referrals/{referral.Id}/refer-onward", new { slip = Onward(null) }, "*"), HttpStatusCode.OK);
        var path = $"/v1/referrals/{answer.GetProperty("linked")[0].GetProperty("id").GetGuid()}";
        await Is(_host.As(ReferralHost.County, "Head", "head-county").Command(path + "/send-back", new { reason = "INCOMPLETE" }, "*"), HttpStatusCode.OK);
        var known = (await referral.Look()).GetProperty("identity");
        async Task<string> Kept() => (await _host.Database.Query<string>(
            "select encode(identity, 'hex') || encode(id_index, 'hex') from patient where id = (select patient_id from referral where id = @Id)", new { referral.Id })).Single();
        var before = await Kept();

        Task<HttpResponseMessage> Amend(JsonObject? patient) => _host.As(ReferralHost.County).Command(path + "/amend", new { slip = Onward(patient) }, "*");
        Pointer(await Is(Amend(new() { ["name"] = "另一人", ["sex"] = "2", ["age"] = 30 }), HttpStatusCode.UnprocessableEntity, "rule-broken")).Should().Be("/slip/patient");
        await Is(Amend(new()
        {
            ["name"] = known.GetProperty("name").GetString(), ["sex"] = known.GetProperty("sex").GetString(), ["birthDate"] = known.GetProperty("birthDate").GetString(),
            ["phone"] = "13900000000",
        }), HttpStatusCode.OK);
        await Is(Amend(null), HttpStatusCode.OK);
        (await Kept()).Should().Be(before);
        var draft = await Is(_host.As(ReferralHost.County).GetAsync(path), HttpStatusCode.OK);
        draft.GetProperty("identity").GetRawText().Should().Be(known.GetRawText());

        // a draft that begins a case has nobody to take the patient from
        var first = await A.Drafted(_host);
        Pointer(await Is(_host.As(ReferralHost.Township).Command($"/v1/referrals/{first.Id}/amend", new { slip = Slip(change: slip => slip.Remove("patient")) }, "*"), HttpStatusCode.BadRequest))
            .Should().Be("/slip/patient");
    }

    [Fact]
    public async Task A_question_that_nobody_signed_is_no_way_around_the_signature_of_the_transfer_it_becomes()
    {
        Task<A> Question() => A.Submitted(_host, slip => slip["kind"] = "Advice");
        // asked while nobody had to sign
        var unsigned = await (await Question()).Does("claim");
        await Is(_host.As(ReferralHost.County, "AllianceOffice").Command("/v1/settings", new { alliance = "al-county", internalReview = true }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromSeconds(1));
        await _host.Database.Execute("""
            create table kept (body text);
            create function keep() returns trigger language plpgsql security definer as $$ begin insert into kept values (to_jsonb(new)::text); return new; end $$;
            create trigger keep after insert on outbox for each row execute function keep();
            """);
        var answer = await Is(unsigned.Tries("convert"), HttpStatusCode.OK);
        // the receiver is told that it was converted, and nothing of the sender's draft
        answer.TryGetProperty("linked", out _).Should().BeFalse();
        var (id, number, state) = (await _host.Database.Query<(Guid, string, string)>("select id, referral_no, state from referral where parent_id = @Id", new { unsigned.Id })).Single();
        state.Should().Be("InternalReview");
        var told = (await _host.Database.Query<string>("select body from kept")).Should().ContainSingle(body => body.Contains("referral.up.converted")).Which;
        told.Should().NotContain(number).And.NotContain(id.ToString()).And.NotContain("linkedNo");
        async Task<JsonElement> Link(HttpClient by) => (await Is(by.GetAsync($"/v1/referrals/{unsigned.Id}"), HttpStatusCode.OK)).TryGetProperty("linked", out var linked) ? linked : default;
        (await Link(_host.As(ReferralHost.Tertiary))).ValueKind.Should().Be(JsonValueKind.Undefined);
        (await Link(Township())).GetProperty("referralNo").GetString().Should().Be(number, "it is the sender's");
        (await Is(_host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{unsigned.Id}/claim", new { }, "*"), HttpStatusCode.Conflict)).GetRawText().Should().NotContain(number);
        await Is(_host.As(ReferralHost.Stranger).GetAsync($"/v1/referrals/{unsigned.Id}"), HttpStatusCode.NotFound);
        var path = $"/v1/referrals/{id}";
        await Is(_host.As(ReferralHost.Tertiary).GetAsync(path), HttpStatusCode.NotFound);
        await Is(_host.As(ReferralHost.Tertiary).Command(path + "/accept", new { department = "03.03" }, "*"), HttpStatusCode.NotFound);
        await Is(Township().Command(path + "/approve", new { }, "*"), HttpStatusCode.Forbidden);
        var head = _host.As(ReferralHost.Township, "Head", "head-township");
        (await Is(head.Command(path + "/approve", new { }, "*"), HttpStatusCode.OK)).GetProperty("state").GetString().Should().Be("Submitted");
        (await Link(_host.As(ReferralHost.Tertiary))).GetProperty("referralNo").GetString().Should().Be(number, "it was sent");
        await Is(_host.As(ReferralHost.Tertiary).Command(path + "/accept", new { department = "03.03" }, "*"), HttpStatusCode.OK);

        // a question that was signed is not signed again
        var draft = await A.Drafted(_host, slip => slip["kind"] = "Advice");
        await draft.Does("send-for-review");
        await Is(head.Command($"/v1/referrals/{draft.Id}/approve", new { }, "*"), HttpStatusCode.OK);
        await Is(_host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{draft.Id}/claim", new { }, "*"), HttpStatusCode.OK);
        var converted = await Is(_host.As(ReferralHost.Tertiary).Command($"/v1/referrals/{draft.Id}/convert", new { kind = "OutpatientTransfer", department = "03.03" }, "*"), HttpStatusCode.OK);
        converted.GetProperty("linked")[0].GetProperty("state").GetString().Should().Be("Accepted");
    }

    [Fact]
    public async Task A_planned_check_that_is_sent_back_and_amended_leaves_the_plan_below_alone()
    {
        var down = await A.ReturnedAndArrived(_host);
        await down.Does("follow-up");
        object Check(bool? planned = null)
        {
            var slip = Slip(_codes[Far], slip =>
            {
                slip.Remove("patient");
                slip["leaveRegionReason"] = "本区域无该专科";
                slip["levelSkipReason"] = "复查须原手术医院";
            });
            return planned is null ? new { slip } : new { slip, plannedCheck = planned };
        }
        var answer = await Is(Township().Command($"/v1/referrals/{down.Id}/re-refer", Check(true), "*"), HttpStatusCode.OK);
        var path = $"/v1/referrals/{answer.GetProperty("linked")[0].GetProperty("id").GetGuid()}";
        var lead = _host.As(ReferralHost.County, "Head", "head-county");
        await Is(lead.Command(path + "/send-back", new { reason = "INCOMPLETE" }, "*"), HttpStatusCode.OK);
        await Is(Township().Command(path + "/amend", Check(), "*"), HttpStatusCode.OK);
        (await Is(Township().GetAsync(path), HttpStatusCode.OK)).GetProperty("flags").GetRawText().Should().Contain("PLANNED_CHECK");
        await Is(Township().Command(path + "/send-for-review", new { }, "*"), HttpStatusCode.OK);
        await Is(lead.Command(path + "/approve", new { }, "*"), HttpStatusCode.OK);
        await Is(_host.As(_codes[Far]).Command(path + "/accept", new { }, "*"), HttpStatusCode.OK);
        (await down.Look()).GetProperty("state").GetString().Should().Be("FollowUp");
    }

    [Fact]
    public async Task A_head_signs_where_the_alliance_says_so_but_not_for_a_contracted_patient_and_not_for_an_emergency()
    {
        await Is(_host.As(ReferralHost.County, "AllianceOffice").Command("/v1/settings", new { alliance = "al-county", internalReview = true }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromSeconds(1));
        (await Is(Township().GetAsync("/v1/settings"), HttpStatusCode.OK)).GetProperty("internalReview").GetBoolean().Should().BeTrue("a member inherits it");
        await Is(Township().Command("/v1/referrals?submit=true", Slip()), HttpStatusCode.Conflict, "review-needed");
        var idNo = Residents.New();
        await Residents.Signed(_host, Residents.Team(idNo));
        await A.Submitted(_host, Residents.Slip(idNo));
        await A.Emergency(_host);
        // a member may differ, and a public emergency changes the step for all
        await Is(_host.As(ReferralHost.County, "AllianceOffice").Command("/v1/settings", new { alliance = "al-county", institution = ReferralHost.OtherTownship, internalReview = false }), HttpStatusCode.Created);
        await Is(_host.As(ReferralHost.County, "AllianceOffice").Command("/v1/settings", new { alliance = "al-county", profile = "SURGE", internalReview = false }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromSeconds(1));
        await A.Submitted(_host, slip => slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" }, sender: ReferralHost.OtherTownship);
        await Is(Township().Command("/v1/referrals?submit=true", Slip()), HttpStatusCode.Conflict, "review-needed");
        await Is(_host.As(ReferralHost.County, "AllianceOffice").Command("/v1/alliances/al-county/profile", new { profile = "SURGE", reason = "应急响应" }), HttpStatusCode.Created);
        _host.Clock.Advance(TimeSpan.FromSeconds(1));
        await A.Submitted(_host);
    }
}
