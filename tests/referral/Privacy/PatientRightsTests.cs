using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using ReferralService.Tests.Alliances;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Privacy;

/// <summary>A patient may have a copy, a correction, a restriction, and in the end an erasure; each is on the record.</summary>
[Collection("referral")]
public sealed class PatientRightsTests(ReferralHost host)
{
    private Task<A> Patient(string name, string? idNo = null, string sender = ReferralHost.Township, string? diagnosis = null) => A.Submitted(host, slip =>
    {
        slip["patient"] = new JsonObject { ["name"] = name, ["sex"] = "1", ["birthDate"] = idNo is null ? "1958-03-14" : $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", ["phone"] = "13812345678", ["idNo"] = idNo };
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        slip["confirmDuplicate"] = true;
        if (diagnosis is not null)
            slip["diagnosis"] = new JsonObject { ["code"] = diagnosis };
    }, sender: sender);

    private async Task<A> Ended(string name, string? idNo = null, string sender = ReferralHost.Township)
    {
        var referral = await Patient(name, idNo, sender);
        await referral.Does("cancel");
        return referral;
    }

    // synthetic institutions need keep nothing: as if these were real
    private Task Real(A referral, int yearsAgo = 0) => host.Database.Execute(
        "update referral set synthetic = false, ended_at = ended_at - make_interval(years => @yearsAgo) where id = @Id", new { referral.Id, yearsAgo });

    private HttpClient Head => host.As(ReferralHost.Township, "Head");

    private Task<HttpResponseMessage> Erase(A referral, HttpClient? by = null, string? confirm = null, string? key = null) =>
        (by ?? Head).Command($"/v1/referrals/{referral.Id}/patient-erasure", new { confirm = confirm ?? referral.No }, key: key);

    private Task<HttpResponseMessage> Correct(A referral, string name, string ifMatch = "*", string? key = null) => host.As(ReferralHost.Township)
        .Command($"/v1/referrals/{referral.Id}/patient-corrections", new { patient = new { name, sex = "2", birthDate = "1958-04-14", phone = "13887654321" } }, ifMatch, key);

    private Task<HttpResponseMessage> File(A referral, string institution = ReferralHost.Township, string role = "Registrar", string? purpose = "PATIENT_REQUEST", string? department = null, string? onBehalfOf = null) =>
        host.As(institution, role, department: department, onBehalfOf: onBehalfOf, purpose: purpose).GetAsync($"/v1/referrals/{referral.Id}/patient-file");

    private async Task<string[]> Audited(A referral, string action) =>
        [.. await host.Database.Query<string>("select verdict from audit where referral_id = @Id and action = @action order by id", new { referral.Id, action })];

    // asks with the tag that stands: 304 while nothing changed that is shown
    private async Task<HttpStatusCode> Unchanged(A referral)
    {
        var request = new HttpRequestMessage(HttpMethod.Get, $"/v1/referrals/{referral.Id}");
        request.Headers.TryAddWithoutValidation("If-None-Match", referral.Etag);
        return (await host.As(ReferralHost.Township).SendAsync(request)).StatusCode;
    }

    [Fact]
    public async Task The_export_holds_identity_slip_words_and_who_looked()
    {
        var referral = await Patient("孙导出");
        await referral.Does("note", new { text = "家属陪同就诊" });
        await host.As(ReferralHost.Township).Command($"/v1/referrals/{referral.Id}/complaints", new { about = "Delay", against = ReferralHost.Tertiary, text = "两日无人应答" });
        await host.As(ReferralHost.Tertiary).GetAsync($"/v1/referrals/{referral.Id}");
        await host.As(ReferralHost.Stranger).GetAsync($"/v1/referrals/{referral.Id}");
        var answer = await File(referral);
        answer.Headers.CacheControl!.NoStore.Should().BeTrue();
        var file = await answer.Json();
        file.GetProperty("identity").GetProperty("name").GetString().Should().Be("孙导出");
        var one = file.GetProperty("referrals")[0];
        one.GetProperty("slips")[0].GetProperty("impression").GetString().Should().NotBeNullOrEmpty();
        one.GetProperty("history").EnumerateArray().Select(h => h.TryGetProperty("text", out var t) ? t.GetString() : null).Should().Contain("家属陪同就诊");
        one.GetProperty("complaints")[0].GetProperty("text").GetString().Should().Be("两日无人应答");
        one.GetProperty("seenBy").EnumerateArray().Select(a => $"{a.GetProperty("institution").GetProperty("code").GetString()} {a.GetProperty("action").GetString()} {a.GetProperty("verdict").GetString()}")
            .Should().Contain([ReferralHost.Tertiary + " read-patient allowed", ReferralHost.Stranger + " read denied", ReferralHost.Township + " patient.export allowed"]);
        (await Audited(referral, "patient.export")).Should().Equal("allowed");
    }

    [Fact]
    public async Task The_export_finds_every_record_of_the_person_that_the_institution_is_a_party_of()
    {
        var idNo = Residents.New();
        var (first, second) = (await Patient("孙两次", idNo), await Patient("孙两次", idNo));
        var elsewhere = await Patient("孙两次", idNo, ReferralHost.OtherTownship);
        Guid[] Found(JsonElement file) => [.. file.GetProperty("referrals").EnumerateArray().Select(r => r.GetProperty("referral").GetProperty("id").GetGuid())];
        Found(await File(first).Json()).Should().BeEquivalentTo([first.Id, second.Id]);
        Found(await File(first, ReferralHost.Tertiary).Json()).Should().BeEquivalentTo([first.Id, second.Id, elsewhere.Id], "it received all three");
    }

    [Fact]
    public async Task A_sensitive_illness_is_handed_out_by_its_sender_and_the_department_that_treats_it_and_never_by_an_office()
    {
        var referral = await Patient("孙保密", diagnosis: "A15.000");
        (await File(referral, ReferralHost.Tertiary)).StatusCode.Should().Be(HttpStatusCode.Forbidden, "a desk of no department");
        (await File(referral, ReferralHost.Tertiary, department: "04")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await File(referral, ReferralHost.County, "AllianceOffice", onBehalfOf: ReferralHost.Tertiary)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await File(referral, ReferralHost.Tertiary, department: "03.03")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await File(referral)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Audited(referral, "patient.export")).Should().Equal("denied", "denied", "denied", "allowed", "allowed");
        (await File(await Patient("孙导出"), ReferralHost.County, "AllianceOffice", onBehalfOf: ReferralHost.Township)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task What_another_desk_hands_out_is_left_out_of_the_export_and_counted()
    {
        var idNo = Residents.New();
        var (plain, shielded, passedOn) = (await Patient("孙三次", idNo), await Patient("孙三次", idNo, diagnosis: "A15.000"), await Patient("孙三次", idNo));
        await passedOn.Redirected(ReferralHost.County);
        var file = await File(plain, ReferralHost.Tertiary).Json();
        file.GetProperty("referrals").EnumerateArray().Single().GetProperty("referral").GetProperty("id").GetGuid().Should().Be(plain.Id);
        file.GetProperty("leftOut").GetInt32().Should().Be(2);
        file.GetRawText().Should().NotContain(shielded.No).And.NotContain(passedOn.No);
        var whole = await File(plain).Json();
        whole.GetProperty("referrals").GetArrayLength().Should().Be(3, "it sent all three");
        whole.GetProperty("leftOut").GetInt32().Should().Be(0);
    }

    [Theory]
    [InlineData(ReferralHost.Township, "Registrar", null, HttpStatusCode.Forbidden)]
    [InlineData(ReferralHost.Township, "Insurer", "PATIENT_REQUEST", HttpStatusCode.Forbidden)]
    [InlineData(ReferralHost.County, "AllianceOffice", "PATIENT_REQUEST", HttpStatusCode.Forbidden)]
    [InlineData(ReferralHost.Stranger, "Registrar", "PATIENT_REQUEST", HttpStatusCode.NotFound)]
    public async Task The_export_needs_a_desk_of_a_party_and_the_patients_request(string institution, string role, string? purpose, HttpStatusCode status)
    {
        var referral = await Patient("孙导出");
        (await File(referral, institution, role, purpose)).StatusCode.Should().Be(status);
        (await Audited(referral, "patient.export")).Should().Equal("denied");
    }

    [Fact]
    public async Task A_correction_is_a_new_version_and_the_earlier_one_is_kept()
    {
        var referral = await Patient("吴错字");
        await referral.Look();
        (await Unchanged(referral)).Should().Be(HttpStatusCode.NotModified);
        var key = Guid.NewGuid().ToString();
        var answer = await Correct(referral, "伍正字", "\"1\"", key);
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        (await answer.Json()).GetProperty("identityVersion").GetInt32().Should().Be(2);
        (await Correct(referral, "伍正字", "\"1\"", key)).Headers.Contains("Idempotency-Replayed").Should().BeTrue();
        (await (await Correct(referral, "伍正字")).Json()).GetProperty("identityVersion").GetInt32().Should().Be(2, "said twice it is no second version");
        (await Correct(referral, "武别人", "\"1\"")).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed, "somebody corrected it meanwhile");
        (await Unchanged(referral)).Should().Be(HttpStatusCode.OK, "it must not be taken from a cache");
        var seen = await referral.Look();
        seen.GetProperty("identity").GetProperty("name").GetString().Should().Be("伍正字");
        seen.GetProperty("patient").GetProperty("name").GetString().Should().Be("伍**");
        var filed = await File(referral);
        filed.Headers.ETag!.Tag.Should().Be("\"2\"");
        (await filed.Json()).GetProperty("earlierVersions")[0].GetProperty("identity").GetProperty("name").GetString().Should().Be("吴错字");
        (await host.Database.Query<long>("select count(*) from identity_version where identity::text like '%吴%'")).Single().Should().Be(0, "it is sealed");
        // what moves afterwards does not bring the old name back
        await referral.Does("accept");
        (await referral.Look()).GetProperty("patient").GetProperty("name").GetString().Should().Be("伍**");
        (await Audited(referral, "patient.correct")).Should().Equal("allowed", "allowed");
    }

    [Fact]
    public async Task A_move_that_began_before_a_correction_does_not_undo_it()
    {
        var referral = await Patient("吴错字");
        await Correct(referral, "伍正字");
        await host.Database.Execute("update referral set patient_masked = '吴**' where id = @Id", new { referral.Id });
        (await host.Database.Query<string>("select patient_masked from referral where id = @Id", new { referral.Id })).Single().Should().Be("伍**");
    }

    [Fact]
    public async Task Restricted_data_is_hidden_once_the_care_has_ended_until_the_restriction_is_lifted()
    {
        var referral = await Patient("郑限制");
        Task<HttpResponseMessage> Restrict(bool restricted) => Head.Command($"/v1/referrals/{referral.Id}/patient-restriction", new { restricted });
        (await Restrict(true)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await (await Restrict(true)).Json()).GetProperty("restricted").GetBoolean().Should().BeTrue("twice is as good as once");
        ShieldedTests.Shows(await referral.Look()).Should().BeTrue("the care goes on");
        await referral.Does("cancel");
        ShieldedTests.Shows(await referral.Look()).Should().BeFalse();
        (await host.As(ReferralHost.Township).GetAsync($"/v1/referrals/{referral.Id}/slip")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Township, "Registrar").Command($"/v1/referrals/{referral.Id}/reveal", new { purpose = "Billing", reason = "结算" })).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Township, subject: "dr-restricted").Command($"/v1/referrals/{referral.Id}/break-glass", new { reason = "EmergencyCare", text = "患者昏迷，须了解既往用药史" })).StatusCode.Should().Be(HttpStatusCode.Created);
        ShieldedTests.Shows(await host.As(ReferralHost.Township, subject: "dr-restricted").GetAsync($"/v1/referrals/{referral.Id}").Json()).Should().BeTrue("in need the glass is broken");
        await Restrict(false);
        ShieldedTests.Shows(await referral.Look()).Should().BeTrue();
        (await Unchanged(referral)).Should().Be(HttpStatusCode.OK, "what is shown changed without the referral");
        (await Audited(referral, "patient.restrict")).Should().Equal("allowed", "allowed", "allowed");
    }

    [Fact]
    public async Task What_the_law_keeps_is_not_erased_and_the_answer_says_until_when()
    {
        var referral = await Ended("王保存");
        await Real(referral);
        var refused = await Erase(referral);
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        var problem = await refused.Json();
        problem.GetProperty("code").GetString().Should().Be("must-be-kept");
        problem.GetProperty("keptUntil").GetString().Should().StartWith((host.Clock.GetUtcNow().Year + 30).ToString());
        ShieldedTests.Shows(await referral.Look()).Should().BeTrue();
    }

    [Fact]
    public async Task When_the_time_has_passed_the_key_is_destroyed_and_nothing_can_be_read_any_more()
    {
        var referral = await Ended("冯删除");
        await Correct(referral, "冯删去");
        await Real(referral, yearsAgo: 31);
        var key = Guid.NewGuid().ToString();
        var erased = await Erase(referral, key: key);
        erased.StatusCode.Should().Be(HttpStatusCode.OK, await erased.Content.ReadAsStringAsync());
        (await erased.Json()).GetProperty("erased").GetBoolean().Should().BeTrue();
        (await Erase(referral, key: key)).Headers.Contains("Idempotency-Replayed").Should().BeTrue();
        (await (await Erase(referral)).Json()).GetProperty("erased").GetBoolean().Should().BeTrue("a second run does no harm");
        var seen = await referral.Look();
        ShieldedTests.Shows(seen).Should().BeFalse();
        seen.GetProperty("patient").GetProperty("name").GetString().Should().Be("已删除");
        foreach (var gone in new[] { $"/v1/referrals/{referral.Id}/slip" })
            (await host.As(ReferralHost.Township).GetAsync(gone)).StatusCode.Should().Be(HttpStatusCode.Gone);
        (await File(referral)).StatusCode.Should().Be(HttpStatusCode.Gone);
        (await Correct(referral, "冯回来")).StatusCode.Should().Be(HttpStatusCode.Gone);
        (await host.As(ReferralHost.Township).Command($"/v1/referrals/{referral.Id}/reveal", new { purpose = "Treatment", reason = "x" })).StatusCode.Should().Be(HttpStatusCode.Gone);
        (await referral.Events()).Should().Contain("cancelled", "the workflow stays, without a person");
        // what is added afterwards has no words, and brings nobody back
        await referral.Does("addendum", new { text = "冯删去又来" });
        (await host.Database.Query<long>("""
            select count(*) from patient p join referral r on r.patient_id = p.id
            where r.id = @Id and (p.wrapped_key is not null or p.identity is not null or p.id_index is not null or r.patient_masked <> '已删除')
            """, new { referral.Id })).Single().Should().Be(0);
        (await host.Database.Query<long>("select count(*) from history where referral_id = @Id and verb = 'addendum' and words is not null", new { referral.Id })).Single().Should().Be(0);
        (await Audited(referral, "patient.erase")).Should().Equal("allowed", "allowed");
    }

    [Fact]
    public async Task Erasure_reaches_every_record_of_the_person_here_and_none_of_other_institutions()
    {
        var idNo = Residents.New();
        var (first, second) = (await Ended("冯两次", idNo), await Ended("冯两次", idNo));
        var elsewhere = await Ended("冯两次", idNo, ReferralHost.OtherTownship);
        (await (await Erase(first)).Json()).GetProperty("records").GetInt32().Should().Be(2);
        ShieldedTests.Shows(await second.Look()).Should().BeFalse();
        ShieldedTests.Shows(await elsewhere.Look(ReferralHost.OtherTownship)).Should().BeTrue("it is another institution's record");
    }

    [Theory]
    [InlineData(ReferralHost.Township), InlineData(ReferralHost.Tertiary)]
    public async Task What_a_party_marks_in_error_is_kept_as_long_as_everything_else(string marks)
    {
        var referral = await Ended("王误录");
        await Real(referral);
        (await referral.Tries("mark-in-error", by: marks)).StatusCode.Should().Be(HttpStatusCode.OK);
        foreach (var head in new[] { Head, host.As(ReferralHost.Tertiary, "Head") })
        {
            var refused = await Erase(referral, head);
            refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
            (await refused.Json()).GetProperty("code").GetString().Should().Be("must-be-kept");
        }
        ShieldedTests.Shows(await referral.Look()).Should().BeTrue();
        await Real(referral, yearsAgo: 31);
        (await Erase(referral)).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_correction_reaches_every_record_of_the_person_here_and_none_of_other_institutions_or_of_somebody_else()
    {
        var idNo = Residents.New();
        var (first, second) = (await Patient("吴两次", idNo), await Ended("吴两次", idNo));
        var elsewhere = await Patient("吴两次", idNo, ReferralHost.OtherTownship);
        // whose number was written down for hers by mistake
        var somebodyElse = await Patient("郑同号", idNo);
        var right = new { patient = new { name = "伍两次", sex = "1", birthDate = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}", idNo, phone = "13887654321" } };
        async Task<HttpResponseMessage> Corrects(string institution, string role = "Clinician") =>
            await host.As(institution, role).Command($"/v1/referrals/{first.Id}/patient-corrections", right, "\"1\"");
        (await Corrects(ReferralHost.OtherTownship)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Corrects(ReferralHost.Township, "Insurer")).StatusCode.Should().Be(HttpStatusCode.Forbidden);

        var standing = await (await Corrects(ReferralHost.Township)).Json();
        standing.GetProperty("records").GetInt32().Should().Be(2);
        async Task<string?> Name(A referral, string? by = null) => (await referral.Look(by)).GetProperty("identity").GetProperty("name").GetString();
        (await Name(first)).Should().Be("伍两次");
        (await Name(second)).Should().Be("伍两次", "it is the same person's");
        second.Last.GetProperty("patient").GetProperty("name").GetString().Should().Be("伍**");
        (await Name(elsewhere, ReferralHost.OtherTownship)).Should().Be("吴两次", "it is another institution's record");
        (await Name(somebodyElse)).Should().Be("郑同号", "a wrong number makes nobody the same person");
        (await (await File(second)).Json()).GetProperty("earlierVersions")[0].GetProperty("identity").GetProperty("name").GetString().Should().Be("吴两次");
        (await Audited(first, "patient.correct")).Should().Equal("denied", "denied", "allowed");
        (await Audited(second, "patient.correct")).Should().Equal("allowed");
        (await Audited(elsewhere, "patient.correct")).Should().BeEmpty();
        (await Audited(somebodyElse, "patient.correct")).Should().BeEmpty();
        // and the next right reaches the same records
        (await (await Head.Command($"/v1/referrals/{second.Id}/patient-restriction", new { restricted = true })).Json()).GetProperty("records").GetInt32().Should().BeGreaterThanOrEqualTo(2);
        (await Audited(first, "patient.restrict")).Should().Equal("allowed");
    }

    [Fact]
    public async Task A_correction_changes_of_the_other_records_only_what_it_changes_where_it_is_written()
    {
        var idNo = Residents.New();
        var born = $"{idNo[6..10]}-{idNo[10..12]}-{idNo[12..14]}";
        JsonObject Person(string name, string phone, string address, string? email = null, string? language = null, int? age = null)
        {
            var person = new JsonObject { ["name"] = name, ["sex"] = "1", ["birthDate"] = born, ["idNo"] = idNo, ["phone"] = phone, ["address"] = address };
            if (email is not null)
                (person["email"], person["language"]) = (email, language);
            if (age is not null)
                person["age"] = age;
            return person;
        }
        Task<A> Referred(JsonObject person) => A.Submitted(host, slip => (slip["patient"], slip["confirmDuplicate"]) = (person, true));
        async Task<JsonElement> Identity(A referral, string? by = null) => (await referral.Look(by)).GetProperty("identity");
        Task<HttpResponseMessage> Corrects(A referral, JsonObject person, string institution = ReferralHost.Township) =>
            host.As(institution).Command($"/v1/referrals/{referral.Id}/patient-corrections", new { patient = person }, "*");

        var old = await Referred(Person("吴两次", "13811110000", "旧址", "old@example.org", "zh", 40));
        var newer = await Referred(Person("吴两次", "13822220000", "新址", "new@example.org", "en", 41));
        // another name, and another telephone than the old record had; of e-mail and language this program knows nothing
        var right = Person("伍两次", "13833330000", "旧址", age: 40);
        (await Corrects(old, right, ReferralHost.Stranger)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Corrects(old, Person("伍两次", "13833330000", "旧址", "no address", "zh"))).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await (await Corrects(old, right)).Json()).GetProperty("records").GetInt32().Should().Be(2);

        var there = await Identity(newer);
        there.GetProperty("name").GetString().Should().Be("伍两次");
        there.GetProperty("phone").GetString().Should().Be("13833330000", "it was changed");
        there.GetProperty("address").GetString().Should().Be("新址", "it was not");
        there.GetProperty("age").GetInt32().Should().Be(41, "each record has that of its day");
        there.GetProperty("email").GetString().Should().Be("new@example.org", "nobody spoke of it");
        there.GetProperty("language").GetString().Should().Be("en");
        (await Identity(old)).TryGetProperty("email", out _).Should().BeFalse("where it is written a correction says all there is");
        // what changes nothing there makes no version there
        await Corrects(old, right.DeepClone().AsObject());
        (await (await File(newer)).Json()).GetProperty("earlierVersions").GetArrayLength().Should().Be(1);
    }

    [Fact]
    public async Task Another_open_referral_of_the_person_keeps_the_data()
    {
        var idNo = Residents.New();
        var ended = await Ended("冯进行", idNo);
        var open = await Patient("冯进行", idNo);
        var refused = await Erase(ended);
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await refused.Json()).GetProperty("openReferral").GetString().Should().Be(open.No);
        ShieldedTests.Shows(await ended.Look()).Should().BeTrue();
    }

    [Fact]
    public async Task A_wrong_number_a_wrong_role_and_a_stranger_erase_nothing()
    {
        var (ended, other) = (await Ended("陈结束"), await Ended("陈另外"));
        (await Erase(ended, confirm: other.No)).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await Erase(ended, host.As(ReferralHost.Township))).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Erase(ended, host.As(ReferralHost.Stranger, "Head"))).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await Erase(ended, host.As(ReferralHost.County, "AllianceOffice"))).StatusCode.Should().Be(HttpStatusCode.Forbidden, "it acts for nobody");
        ShieldedTests.Shows(await ended.Look()).Should().BeTrue();
        (await Audited(ended, "patient.erase")).Should().Equal("denied", "denied", "denied");
    }
}
