using System.Text.Json.Nodes;
using FluentAssertions;
using Referrals.Contracts;
using TestKit;
using Xunit;
using static ReferralService.Tests.Notices.TellingHost;

namespace ReferralService.Tests.Notices;

/// <summary>Whom this service asks to be told what, and what it gives away by it.</summary>
public sealed class PatientNoticesTests(TellingHost host) : IClassFixture<TellingHost>
{
    [Fact]
    public async Task An_appointment_is_told_to_the_patient_and_only_the_notification_service_can_read_to_whom()
    {
        await using var requests = await Requests.Of(host);
        var referral = await A.Scheduled(host, Reachable);
        var notice = await requests.Next("scheduled", referral);
        notice.Place.Should().NotBeNullOrEmpty().And.NotBe(referral.Receiver, "a patient reads a name, not a code");
        notice.StartsAt.Should().BeCloseTo(host.Clock.GetUtcNow().AddDays(1), TimeSpan.FromMinutes(5));
        notice.ExpiresAt.Should().Be(notice.StartsAt!.Value);
        Opened(notice).Should().Be(new NoticeRecipient("13800001234", null));
        requests.Heard.Select(h => h.Body).Should().OnlyContain(body => !body.Contains("13800001234") && !body.Contains("138 0000") && !body.Contains(Name));
        (await host.Database.Query<long>("select count(*) from audit where action = 'notify-patient' and referral_id = @Id", new { referral.Id })).Single().Should().BePositive("the reading of the number stands in the audit");
    }

    [Theory]
    [InlineData(null, "silent@example.org", "en", null, "silent@example.org")]
    [InlineData("内线 12", "silent@example.org", null, null, "silent@example.org")]
    [InlineData("13800001234", "silent@example.org", "zh", "13800001234", null)]
    public async Task A_patient_without_a_number_for_text_messages_is_told_by_e_mail_in_the_language_of_the_slip(
        string? phone, string? email, string? language, string? byPhone, string? byEmail)
    {
        await using var requests = await Requests.Of(host);
        var referral = await A.Scheduled(host, slip =>
            slip["patient"] = new JsonObject { ["name"] = Name, ["sex"] = "1", ["age"] = 60, ["phone"] = phone, ["email"] = email, ["language"] = language });
        Opened(await requests.Next("scheduled", referral)).Should().Be(new NoticeRecipient(byPhone, byEmail, language));
        requests.Heard.Select(h => h.Body).Should().OnlyContain(body => !body.Contains("silent"));
        foreach (var table in new[] { "patient", "slip", "history", "outbox", "idempotency_key", "audit" })
            (await host.Database.Query<long>($"select count(*) from {table} t where t::text like '%silent@%'")).Single().Should().Be(0, table);
    }

    [Theory]
    [InlineData("email", "")]
    [InlineData("email", "nobody")]
    [InlineData("email", "a@localhost")]
    [InlineData("email", "a@example.org,b@example.org")]
    [InlineData("email", "Patient <a@example.org>")]
    [InlineData("email", "a@example.org\n")]
    [InlineData("email", "a..b@example.org")]
    [InlineData("email", "患者@example.org")]
    [InlineData("language", "EN")]
    [InlineData("language", "fr")]
    public async Task What_is_no_single_e_mail_address_and_no_language_of_ours_is_refused(string member, string value)
    {
        var slip = A.UpwardSlip();
        slip["patient"]![member] = value;
        var answer = await host.As(ReferralHost.Township).Command("/v1/referrals", slip);
        answer.StatusCode.Should().Be(System.Net.HttpStatusCode.BadRequest);
        var problem = await answer.Json();
        problem.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Equal("/patient/" + member);
        if (value.Length > 2)
            problem.GetRawText().Should().NotContain(value.Trim());
    }

    [Fact]
    public async Task The_timeline_says_each_state_in_words_for_the_patient()
    {
        var referral = await A.Scheduled(host, Reachable);
        await referral.Does("note", new { text = "家属陪同" });
        await referral.Does("request-cancellation");
        var timeline = await host.As(referral.Sender).GetAsync($"/v1/referrals/{referral.Id}/timeline").Json();
        timeline.GetProperty("forPatient").GetProperty("zh").GetString().Should().Contain("原安排仍然有效");
        var entries = timeline.GetProperty("entries").EnumerateArray().ToList();
        entries.Where(e => e.TryGetProperty("forPatient", out _)).Select(e => e.GetProperty("to").GetString()).Should().EndWith(["Scheduled", "CancellationRequested"]);
        entries.Single(e => e.GetProperty("event").GetString() == "note-added").TryGetProperty("forPatient", out _).Should().BeFalse("no state was reached");
    }

    [Fact]
    public void Every_state_has_words_for_the_patient_that_give_nothing_away()
    {
        var words = Enum.GetValues<ReferralState>().Select(ReferralService.Notices.PatientWording.Of).ToList();
        words.Should().OnlyHaveUniqueItems();
        foreach (var (en, zh) in words.Select(w => (w.En, w.Zh)))
        {
            en.Should().MatchRegex("^[A-Z][a-zA-Z ,;.-]+\\.$").And.NotContainAny("diagnos", "disease", "department", "illness", "died", "patient");
            zh.Should().EndWith("。").And.NotContainAny("诊断", "病", "科", "死", "患者");
        }
        ReferralService.Notices.PatientWording.Of("OfALaterVersion").Should().BeNull();
    }

    [Fact]
    public async Task A_corrected_e_mail_address_is_the_one_that_is_used()
    {
        await using var requests = await Requests.Of(host);
        static JsonObject With(string email) => new() { ["name"] = Name, ["sex"] = "1", ["birthDate"] = "1960-03-02", ["email"] = email };
        var referral = await A.Accepted(host, slip => slip["patient"] = With("old@example.org"));
        var corrected = await host.As(ReferralHost.Township).Command($"/v1/referrals/{referral.Id}/patient-corrections", new { patient = With("new@example.org") }, "*");
        corrected.StatusCode.Should().Be(System.Net.HttpStatusCode.OK, await corrected.Content.ReadAsStringAsync());
        await referral.Hears(SchedulingEvents.Booked, 1);
        Opened(await requests.Next("scheduled", referral)).Email.Should().Be("new@example.org");
        var file = await host.As(ReferralHost.Township, "Registrar", purpose: "PATIENT_REQUEST").GetAsync($"/v1/referrals/{referral.Id}/patient-file").Json();
        file.GetProperty("identity").GetProperty("email").GetString().Should().Be("new@example.org");
        file.GetProperty("earlierVersions")[0].GetProperty("identity").GetProperty("email").GetString().Should().Be("old@example.org");
    }

    [Fact]
    public async Task Where_to_go_and_what_to_bring_come_from_scheduling_and_follow_the_newest_booking()
    {
        await using var requests = await Requests.Of(host);
        var referral = await A.Accepted(host, Reachable);
        await referral.Hears(SchedulingEvents.Booked, 1, place: "门诊楼三层302诊室", bring: ["身份证或社保卡", "转诊单"]);
        var notice = await requests.Next("scheduled", referral);
        notice.Where.Should().Be("门诊楼三层302诊室");
        notice.Bring.Should().Equal("身份证或社保卡", "转诊单");

        host.Clock.Advance(TimeSpan.FromHours(6));
        await referral.Hears(SchedulingEvents.Rescheduled, 2, place: "门诊楼五层", bring: ["医保卡"]);
        var moved = await requests.Next("rescheduled", referral);
        (moved.Where, moved.StartsAt - notice.StartsAt).Should().Be(("门诊楼五层", TimeSpan.FromHours(6)));
        moved.Sequence.Should().BeGreaterThan(notice.Sequence!.Value);
        await host.Pass(TimeSpan.FromHours(22.1));
        var reminder = await requests.Next("reminder", referral);
        (reminder.Where, reminder.StartsAt).Should().Be(("门诊楼五层", moved.StartsAt), "it reminds of the appointment that stands");
        reminder.Bring.Should().Equal("医保卡");
    }

    [Theory]
    [InlineData("department = '15.01'")]
    [InlineData("sensitive = true")]
    public async Task Where_to_go_and_what_to_bring_stay_out_where_they_give_the_illness_away(string how)
    {
        await using var requests = await Requests.Of(host);
        var referral = await A.Accepted(host, Reachable);
        await host.Database.Execute($"update referral set {how} where id = @Id", new { referral.Id });
        await referral.Hears(SchedulingEvents.Booked, 1, place: "精神科门诊", bring: ["精神科病历"]);
        var notice = await requests.Next("scheduled", referral);
        (notice.Where, notice.Bring).Should().Be((null, null));
        requests.Heard.Select(h => h.Body).Should().OnlyContain(body => !body.Contains("精神"));
    }

    [Fact]
    public async Task The_patient_is_reminded_two_hours_before_and_asked_where_nobody_came()
    {
        await using var requests = await Requests.Of(host);
        var referral = await A.Scheduled(host, Reachable);
        await requests.Next("scheduled", referral);
        await host.Pass(TimeSpan.FromHours(22.1));
        (await requests.Next("reminder", referral)).StartsAt.Should().NotBeNull();
        await host.Pass(TimeSpan.FromHours(3));
        await requests.Next("no-show", referral);
    }

    [Fact]
    public async Task What_was_typed_in_afterwards_and_who_has_no_number_stay_silent()
    {
        await using var requests = await Requests.Of(host);
        var late = await A.TypedInAfterwards(host, Reachable);
        await late.Does("complete-treatment", new { diagnosisResult = "脑梗死", treatmentCourse = "溶栓", rehabEligible = false });
        await late.Does("complete-without-return", new { reason = "CURED" });
        var unreachable = await A.Scheduled(host);
        var loud = await A.Scheduled(host, Reachable);
        await requests.Next("scheduled", loud);
        requests.Heard.Select(h => h.Notice.ReferralNo).Should().NotContain([late.No, unreachable.No]);
    }

    [Fact]
    public async Task A_rehearsal_in_the_sandbox_reaches_no_real_institution_and_tells_no_patient_anything()
    {
        await using var requests = await Requests.Of(host);
        var real = await A.Submitted(host, Reachable);
        (await real.IsRefused("redirect", System.Net.HttpStatusCode.UnprocessableEntity,
            body: new { institution = ReferralHost.Stranger, reason = "NO_CAPACITY", patientAgrees = true })).GetRawText().Should().Contain("/institution");
        await host.Database.Execute("update referral set synthetic = true where id = @Id", new { real.Id });
        (await real.IsRefused("redirect", System.Net.HttpStatusCode.UnprocessableEntity,
            body: new { institution = ReferralHost.County, reason = "NO_CAPACITY", patientAgrees = true })).GetRawText().Should().Contain("/institution");
        await real.Does("decline", new { reason = "NO_CAPACITY" });
        var loud = await A.Scheduled(host, Reachable);
        await requests.Next("scheduled", loud);
        requests.Heard.Should().NotContain(h => h.Notice.Notice == "declined" && h.Notice.ReferralNo == real.No);
    }
}
