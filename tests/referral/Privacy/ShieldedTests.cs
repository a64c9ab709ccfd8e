using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Privacy;

/// <summary>What gives an illness away is masked for everybody, shown for a purpose and with a reason; each leaves its trace.</summary>
[Collection("referral")]
public sealed class ShieldedTests(ReferralHost host)
{
    private const string Phone = "13812345678", Email = "shielded@example.org";
    private static readonly object ForTreatment = new { purpose = "Treatment", reason = "接诊前核对病史" };

    /// <summary>A referral whose diagnosis stands in a sensitive set.</summary>
    public static Task<A> Tuberculosis(ReferralHost host) => A.Submitted(host, slip =>
    {
        slip["patient"] = new JsonObject { ["name"] = "赵保密", ["sex"] = "1", ["age"] = 40, ["phone"] = Phone, ["email"] = Email };
        slip["diagnosis"] = new JsonObject { ["system"] = "ICD-10-CN", ["version"] = "2.0", ["code"] = "A15.000" };
    });

    public static bool Shows(JsonElement view) => view.TryGetProperty("identity", out _) || view.TryGetProperty("slip", out _);

    private async Task<JsonElement> Look(A referral, string institution, string? department = null, string role = "Clinician", string? purpose = null, string subject = "dr-test") =>
        await host.As(institution, role, subject, department, purpose: purpose).GetAsync($"/v1/referrals/{referral.Id}").Json();

    private async Task<HttpResponseMessage> Reveal(A referral, string institution, object body, string? department = null, string role = "Clinician", string? purpose = null, string subject = "dr-test") =>
        await host.As(institution, role, subject, department, purpose: purpose).Command($"/v1/referrals/{referral.Id}/reveal", body);

    private async Task<IReadOnlyList<string>> Audited(A referral, string action) => await host.Database.Query<string>(
        "select verdict || ' ' || subject || ' ' || purpose from audit where referral_id = @Id and action = @action order by id", new { referral.Id, action });

    [Fact]
    public async Task A_sensitive_slip_is_masked_by_default_and_revealed_with_purpose_and_reason_for_an_hour()
    {
        var referral = await Tuberculosis(host);
        var masked = await Look(referral, ReferralHost.Township);
        Shows(masked).Should().BeFalse("also to its sender");
        masked.GetProperty("sensitive").GetBoolean().Should().BeTrue();
        masked.GetProperty("patient").GetProperty("name").GetString().Should().Be("赵**");
        masked.GetRawText().Should().NotContain(Phone).And.NotContain(Email).And.NotContain("赵保密");
        (await host.As(ReferralHost.Township).GetAsync($"/v1/referrals/{referral.Id}/slip")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Audited(referral, "read-patient")).Should().BeEmpty("what was masked was not read");

        var shown = await Reveal(referral, ReferralHost.Township, ForTreatment);
        shown.StatusCode.Should().Be(HttpStatusCode.OK, await shown.Content.ReadAsStringAsync());
        shown.Headers.CacheControl!.NoStore.Should().BeTrue();
        var body = await shown.Json();
        body.GetProperty("identity").GetProperty("name").GetString().Should().Be("赵保密");
        body.GetProperty("slip").GetProperty("impression").GetString().Should().NotBeNullOrEmpty();
        (await Audited(referral, "reveal")).Should().Equal("allowed dr-test TREATMENT");

        Shows(await Look(referral, ReferralHost.Township)).Should().BeTrue("for an hour");
        (await host.As(ReferralHost.Township).GetAsync($"/v1/referrals/{referral.Id}/slip")).StatusCode.Should().Be(HttpStatusCode.OK);
        Shows(await Look(referral, ReferralHost.Township, subject: "dr-other")).Should().BeFalse("to the one who asked");
        await host.Pass(TimeSpan.FromMinutes(61));
        Shows(await Look(referral, ReferralHost.Township)).Should().BeFalse();
    }

    [Fact]
    public async Task An_ordinary_slip_is_shown_to_a_party_that_treats_with_one_audit_row()
    {
        var referral = await A.Submitted(host);
        Shows(await Look(referral, ReferralHost.Tertiary)).Should().BeTrue();
        (await Audited(referral, "read-patient")).Should().Equal("allowed dr-test TREATMENT");
        Shows(await Look(referral, ReferralHost.Tertiary, purpose: "BILLING")).Should().BeFalse();
        (await Audited(referral, "read-patient")).Should().HaveCount(1);
    }

    [Theory]
    [InlineData("03.03", true)]
    [InlineData("03", true)] // a department treats what its sections treat
    [InlineData("04", false)]
    [InlineData(null, false)] // a token that names no department is of none
    public async Task At_the_receiver_only_the_department_that_treats_reveals_a_sensitive_illness(string? department, bool may)
    {
        var referral = await Tuberculosis(host);
        (await Reveal(referral, ReferralHost.Tertiary, ForTreatment, department)).StatusCode.Should().Be(may ? HttpStatusCode.OK : HttpStatusCode.Forbidden);
        Shows(await Look(referral, ReferralHost.Tertiary, department)).Should().Be(may);
        (await Audited(referral, "reveal")).Should().Equal((may ? "allowed" : "denied") + " dr-test TREATMENT");
    }

    [Fact]
    public async Task Which_diagnoses_are_sensitive_is_data()
    {
        var referral = await A.Submitted(host, slip => slip["diagnosis"] = new JsonObject { ["system"] = "ICD-10-CN", ["version"] = "2.0", ["code"] = "F32.900" });
        (await referral.Look()).GetProperty("sensitive").GetBoolean().Should().BeTrue();
        (await host.Database.Query<long>("select count(*) from diagnosis_set where name = 'Sensitive'")).Single().Should().BeGreaterThan(0);
    }

    private static Action<JsonObject> Uncoded(string department) => slip =>
    {
        slip.Remove("diagnosis");
        slip["to"]!["department"] = department;
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
    };

    private static async Task<bool> IsSensitive(A referral, string? by = null) => (await referral.Look(by)).GetProperty("sensitive").GetBoolean();

    [Fact]
    public async Task What_comes_back_from_a_telling_department_is_masked_at_the_clinic_although_its_slip_says_nothing()
    {
        var up = await A.Submitted(host, Uncoded("15"));
        await up.Does("accept");
        await up.Does("arrive");
        await up.Does("complete-treatment");
        var down = await up.Returned(slip =>
        {
            foreach (var member in new[] { "diagnosis", "patientClass", "purposes" })
                slip.Remove(member);
        });
        var atTheClinic = await Look(down, ReferralHost.Township, subject: "dr-clinic");
        atTheClinic.GetProperty("sensitive").GetBoolean().Should().BeTrue();
        Shows(atTheClinic).Should().BeFalse("nobody revealed it");

        await down.Does("accept", new { department = "02" });
        await down.Does("arrive", new { identifiedBy = "Slip" });
        var again = await down.Creates("re-refer", new { slip = A.UpwardSlip(change: slip =>
        {
            Uncoded("03.03")(slip);
            slip.Remove("patient");
        }) });
        (await IsSensitive(again)).Should().BeTrue("the whole chain is");
    }

    [Theory]
    [InlineData("refer-onward"), InlineData("refer-again"), InlineData("convert")]
    public async Task What_follows_from_a_sensitive_referral_is_sensitive(string verb)
    {
        var parent = await A.Submitted(host, slip =>
        {
            Uncoded("16")(slip);
            if (verb == "convert")
                slip["kind"] = "Advice";
        });
        await parent.Does(verb switch { "refer-again" => "decline", "convert" => "claim", _ => "accept" });
        if (verb == "refer-onward")
            await parent.Does("arrive");
        var child = await parent.Creates(verb, verb == "refer-onward" ? new { slip = A.UpwardSlip(ReferralHost.County, slip =>
        {
            Uncoded("03.03")(slip);
            slip.Remove("patient");
        }) } : null, by: verb == "refer-again" ? parent.Sender : null);
        (await IsSensitive(child)).Should().BeTrue();
    }

    [Theory]
    [InlineData("accept"), InlineData("arrive"), InlineData("arrive unannounced"), InlineData("redirect")]
    public async Task A_move_into_a_telling_department_makes_it_sensitive_and_no_move_takes_that_away(string how)
    {
        var referral = await A.Submitted(host, Uncoded("03.03"));
        (await IsSensitive(referral)).Should().BeFalse();
        if (how == "redirect")
            await referral.Redirected(ReferralHost.County, "15");
        else if (how == "accept")
            await referral.Does("accept", new { department = "15" });
        else
        {
            if (how == "arrive")
                await referral.Does("accept");
            await referral.Does("arrive", new { identifiedBy = "IdCard", department = "15" });
        }
        var view = await Look(referral, referral.Receiver, "15");
        view.GetProperty("sensitive").GetBoolean().Should().BeTrue();
        Shows(view).Should().BeFalse();

        if (how == "redirect")
            await referral.Does("accept", new { department = "03.03" });
        else if (how == "accept")
            await referral.Redirected(ReferralHost.County);
        else
            return;
        (await IsSensitive(referral)).Should().BeTrue("it was there");
    }

    [Fact]
    public async Task What_gives_a_sensitive_illness_away_is_hidden_from_those_who_only_read_along()
    {
        var referral = await Tuberculosis(host);
        var office = await Look(referral, ReferralHost.County, role: "AllianceOffice");
        office.GetProperty("state").GetString().Should().Be("Submitted");
        office.TryGetProperty("department", out _).Should().BeFalse();
        office.GetProperty("purposes").GetArrayLength().Should().Be(0);
        var line = (await host.As(ReferralHost.County, "AllianceOffice").GetAsync($"/v1/episodes/{referral.Last.GetProperty("episodeId").GetString()}").Json())
            .GetProperty("referrals")[0].GetProperty("referral");
        line.TryGetProperty("department", out _).Should().BeFalse();
        (await Look(referral, ReferralHost.Township)).GetProperty("department").GetProperty("code").GetString().Should().Be("03.03");
        (await Reveal(referral, ReferralHost.County, ForTreatment, role: "AllianceOffice")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task What_was_examined_is_hidden_from_those_who_only_read_along_as_in_the_timeline()
    {
        var referral = await Tuberculosis(host);
        (await referral.Tries("attach", new { title = "x", itemCode = "HIV-RNA", laboratory = "疾控确证实验室", recognised = true, mark = "全国HR", qualityUntil = "2099-12-31", reference = "urn:x" }, by: referral.Sender))
            .StatusCode.Should().Be(HttpStatusCode.OK);
        await referral.Redirected(ReferralHost.County);
        (await referral.Tries("attach", new { title = "y", itemCode = "HIV-RNA", laboratory = "县疾控", recognised = false, reference = "urn:y", repeatReason = "CONDITION_CHANGED" }))
            .StatusCode.Should().Be(HttpStatusCode.OK);
        async Task<JsonElement[]> Listed(HttpClient by) => [.. (await by.GetAsync($"/v1/referrals/{referral.Id}/attachments").Json()).GetProperty("items").EnumerateArray()];
        foreach (var along in new[] { host.As(ReferralHost.Tertiary), host.As(ReferralHost.County, "AllianceOffice") })
        {
            var items = await Listed(along);
            items.Should().HaveCount(2);
            foreach (var told in new[] { "itemCode", "laboratory", "mark", "repeatReason" })
                items.Where(i => i.TryGetProperty(told, out _)).Should().BeEmpty("{0} gives it away", told);
        }
        foreach (var cares in new[] { host.As(ReferralHost.Township), host.As(ReferralHost.County) })
            (await Listed(cares))[1].GetProperty("itemCode").GetString().Should().Be("HIV-RNA");
    }

    [Theory]
    [InlineData("ContactPatient", "CONTACT_PATIENT", false)]
    [InlineData("Billing", "BILLING", false)]
    [InlineData("LegalDuty", "LEGAL_DUTY", true)]
    public async Task The_purpose_decides_how_much_is_shown_and_stands_in_the_audit(string purpose, string code, bool slip)
    {
        var referral = await A.Submitted(host, form => form["patient"] = new JsonObject { ["name"] = "钱显示", ["sex"] = "2", ["age"] = 30, ["phone"] = Phone, ["email"] = Email });
        Shows(await Look(referral, ReferralHost.Tertiary, role: "Registrar", purpose: "OPERATIONS", subject: "desk-1")).Should().BeFalse();
        var shown = await (await Reveal(referral, ReferralHost.Tertiary, new { purpose, reason = "通知就诊时间" }, role: "Registrar", purpose: "OPERATIONS", subject: "desk-1")).Json();
        shown.GetProperty("identity").GetProperty("phone").GetString().Should().Be(Phone);
        shown.GetProperty("identity").GetProperty("email").GetString().Should().Be(Email);
        shown.TryGetProperty("slip", out _).Should().Be(slip);
        shown.TryGetProperty("until", out _).Should().BeFalse();
        (await Audited(referral, "reveal")).Should().Equal("allowed desk-1 " + code);
        // the reason is kept sealed, the answer is not kept at all
        var row = (await host.Database.Query<string>("select purpose || ' ' || encode(words, 'escape') from opening where referral_id = @Id", new { referral.Id })).Single();
        row.Should().StartWith(purpose).And.NotContain("通知");
        (await host.Database.Query<long>("select count(*) from idempotency_key where body like @phone", new { phone = "%" + Phone + "%" })).Single().Should().Be(0);
    }

    [Theory]
    [InlineData("""{"reason":"看看"}""", "/purpose")]
    [InlineData("""{"purpose":"Curiosity","reason":"看看"}""", "/purpose")]
    [InlineData("""{"purpose":"Treatment"}""", "/reason")]
    [InlineData("""{"purpose":"Treatment","reason":"   "}""", "/reason")]
    public async Task A_showing_without_purpose_or_reason_is_refused(string body, string pointer)
    {
        var referral = await A.Submitted(host);
        var refused = await Reveal(referral, ReferralHost.Tertiary, JsonSerializer.Deserialize<object>(body)!);
        refused.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await refused.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task Attachments_report_and_timeline_of_a_sensitive_referral_have_no_words_until_it_is_revealed()
    {
        var referral = await Tuberculosis(host);
        await referral.Does("note", new { text = "家属陪同" });
        (await referral.Timeline()).GetRawText().Should().NotContain("家属陪同");
        await Reveal(referral, ReferralHost.Township, ForTreatment);
        JsonSerializer.Serialize(await referral.Timeline(), new JsonSerializerOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }).Should().Contain("家属陪同");
    }
}
