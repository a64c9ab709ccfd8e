using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using RabbitMQ.Client;
using Referrals.Contracts;
using ReferralService.Alliances;
using ServiceDefaults;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Notices;

/// <summary>Whom this service asks to be told what, and what it gives away by it.</summary>
public sealed class PatientNoticesTests(PatientNoticesTests.Telling host) : IClassFixture<PatientNoticesTests.Telling>, IAsyncLifetime
{
    public Task InitializeAsync() => host.BecomeReal();

    public Task DisposeAsync() => Task.CompletedTask;

    public sealed class Telling : ReferralHost
    {
        public static readonly ECDiffieHellman Key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);

        public Telling() : base(new Dictionary<string, string> { ["Notices:PublicKeyFile"] = KeyFile() })
        {
        }

        /// <summary>The demo is a sandbox: here all of it is real, but for one institution.</summary>
        public async Task BecomeReal()
        {
            await Database.Execute(ReferralHost.BecomesAtOnce("code = @Stranger"), new { Stranger });
            await Services.GetRequiredService<AllianceDirectory>().Refresh();
        }

        private static string KeyFile()
        {
            var file = Path.GetTempFileName();
            File.WriteAllText(file, Key.ExportSubjectPublicKeyInfoPem());
            return file;
        }
    }

    private const string Name = "测试欧阳静", Phone = "138 0000 1234";

    private static void Reachable(JsonObject slip) =>
        slip["patient"] = new JsonObject { ["name"] = Name, ["sex"] = "1", ["age"] = 60, ["phone"] = Phone };

    /// <summary>Hears the requests as the notification service does.</summary>
    private sealed class Requests : IAsyncDisposable
    {
        private readonly string _queue = "test-" + Guid.NewGuid();
        private IConnection _connection = null!;
        private IChannel _channel = null!;

        public List<(NoticeRequested Notice, string Body)> Heard { get; } = [];

        public static async Task<Requests> Of(ReferralHost host)
        {
            var requests = new Requests { _connection = await new ConnectionFactory { Uri = new Uri(host.RabbitMq) }.CreateConnectionAsync() };
            requests._channel = await requests._connection.CreateChannelAsync();
            await requests._channel.ExchangeDeclareAsync(NoticeRequests.Exchange, "topic", durable: true);
            await requests._channel.QueueDeclareAsync(requests._queue);
            await requests._channel.QueueBindAsync(requests._queue, NoticeRequests.Exchange, NoticeRequests.Requested);
            return requests;
        }

        public Task<NoticeRequested> Next(string notice, A referral) => Next(n => n.Notice == notice && n.ReferralNo == referral.No && n.Recipient.Length > 0, notice);

        /// <summary>That nothing is told of it any more.</summary>
        public Task<NoticeRequested> Silence(A referral, long after = 0) =>
            Next(n => n.ReferralNo == referral.No && n.Recipient.Length == 0 && n.Sequence > after, "silence");

        /// <summary>What the patient is told of it, as far as it was heard.</summary>
        public IEnumerable<string> Told(params A[] referrals) =>
            Heard.Select(h => h.Notice).Where(n => n.Recipient.Length > 0 && referrals.Any(r => r.No == n.ReferralNo)).Select(n => n.Notice);

        private Task<NoticeRequested> Next(Func<NoticeRequested, bool> wanted, string what) => Eventually.Get(async () =>
        {
            while (await _channel.BasicGetAsync(_queue, autoAck: true) is { } message)
            {
                var body = Encoding.UTF8.GetString(message.Body.Span);
                Heard.Add((JsonSerializer.Deserialize<NoticeRequested>(body, Json.Lenient)!, body));
            }
            return Heard.Select(h => h.Notice).FirstOrDefault(wanted);
        }, $"{what} is asked for");

        public async ValueTask DisposeAsync() => await _connection.DisposeAsync();
    }

    [Fact]
    public async Task An_appointment_is_told_to_the_patient_and_only_the_notification_service_can_read_to_whom()
    {
        await using var requests = await Requests.Of(host);
        var referral = await A.Scheduled(host, Reachable);
        var notice = await requests.Next("scheduled", referral);
        notice.Place.Should().NotBeNullOrEmpty().And.NotBe(referral.Receiver, "a patient reads a name, not a code");
        notice.StartsAt.Should().BeCloseTo(host.Clock.GetUtcNow().AddDays(1), TimeSpan.FromMinutes(5));
        notice.ExpiresAt.Should().Be(notice.StartsAt!.Value);
        JsonSerializer.Deserialize<NoticeRecipient>(
            SealedBox.Open(Telling.Key.ExportPkcs8PrivateKeyPem(), notice.Id.ToString(), Convert.FromBase64String(notice.Recipient)), Json.Lenient)
            .Should().Be(new NoticeRecipient("13800001234", null));
        requests.Heard.Select(h => h.Body).Should().OnlyContain(body => !body.Contains("13800001234") && !body.Contains("138 0000") && !body.Contains(Name));
        (await host.Database.Query<long>("select count(*) from audit where action = 'notify-patient' and referral_id = @Id", new { referral.Id })).Single().Should().BePositive("the reading of the number stands in the audit");
    }

    private static NoticeRecipient Opened(NoticeRequested notice) => JsonSerializer.Deserialize<NoticeRecipient>(
        SealedBox.Open(Telling.Key.ExportPkcs8PrivateKeyPem(), notice.Id.ToString(), Convert.FromBase64String(notice.Recipient)), Json.Lenient)!;

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
    public async Task Who_need_not_come_any_more_hears_it_and_of_a_death_or_a_mistake_nobody_is_told()
    {
        await using var requests = await Requests.Of(host);
        foreach (var silent in new[] { "DIED", "WRONG_PATIENT", "ENTERED_IN_ERROR" })
        {
            var referral = await A.Scheduled(host, Reachable);
            var scheduled = await requests.Next("scheduled", referral);
            await referral.Does("close", new { reason = silent });
            var silence = await requests.Silence(referral);
            silence.Sequence.Should().BeGreaterThan(scheduled.Sequence!.Value, "what was to be told before is dropped");
            // a notification service that knows nothing of it has the text, finds it expired and tells nobody
            (silence.Notice, silence.Place, silence.StartsAt).Should().Be(("cancelled", "", null));
            silence.ExpiresAt.Should().BeBefore(host.Clock.GetUtcNow().AddDays(-1));
            (await Readings(referral)).Should().Be(requests.Told(referral).Count(), "nobody's number is read for silence");
        }
        var advised = await (await A.Submitted(host, Reachable)).Does("advise");
        var closed = await (await A.Scheduled(host, Reachable)).Does("close", new { reason = "OTHER_HOSPITAL" });
        await requests.Next("advised", advised);
        await requests.Next("closed", closed);
        requests.Heard.Count(h => h.Notice.Notice == "closed").Should().Be(1);
    }

    private async Task<long> Readings(A referral) =>
        (await host.Database.Query<long>("select count(*) from audit where action = 'notify-patient' and referral_id = @Id", new { referral.Id })).Single();

    [Theory]
    [InlineData(false, "cancel", null)]
    [InlineData(false, "close", null)]
    [InlineData(true, "confirm-cancellation", "cancelled")]
    [InlineData(true, "close", "closed")]
    public async Task Of_a_duplicate_the_other_referral_speaks_but_an_appointment_that_falls_away_with_it_is_told(bool booked, string verb, string? told)
    {
        await using var requests = await Requests.Of(host);
        var referral = await (booked ? A.Scheduled(host, Reachable) : A.Submitted(host, Reachable));
        if (verb == "confirm-cancellation")
            await referral.Does("request-cancellation", new { reason = "DUPLICATE" });
        await referral.Does(verb, verb == "confirm-cancellation" ? null : new { reason = "DUPLICATE", replacedBy = verb == "close" ? (await A.Submitted(host)).No : null });
        if (told is null)
            await requests.Silence(referral);
        else
            await requests.Next(told, referral);
        requests.Told(referral).Where(notice => notice is "closed" or "cancelled").Should().Equal(told is null ? [] : [told]);
    }

    [Fact]
    public async Task Of_a_return_that_ends_because_the_patient_went_on_to_another_hospital_the_patient_hears()
    {
        await using var requests = await Requests.Of(host);
        var parent = await A.Submitted(host, Reachable, ReferralHost.County);
        await parent.Does("accept", new { department = "03.03" });
        await parent.Does("arrive");
        await parent.Does("complete-treatment");
        static void ByWhoeverActs(JsonObject slip) => slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        var child = await parent.Returned(ByWhoeverActs);
        await requests.Next("return-initiated", parent);
        var onward = await parent.Creates("refer-onward", new
        {
            slip = A.UpwardSlip(change: slip =>
            {
                slip.Remove("patient");
                ByWhoeverActs(slip);
            }),
        });
        await onward.Does("accept");
        await requests.Next("closed", child);
        (await parent.Look()).GetProperty("outcome").GetString().Should().Be("TransferredOn");
        (await child.Look()).GetProperty("state").GetString().Should().Be("Closed", "a final parent has no live child");
        requests.Told(parent).Should().NotContain(["closed", "completed"], "where it goes on, the next one speaks");
    }

    [Fact]
    public async Task Who_can_no_longer_be_reached_when_it_ends_is_not_told_what_still_waits_either()
    {
        await using var requests = await Requests.Of(host);
        static JsonObject With(string? phone) => new() { ["name"] = Name, ["sex"] = "1", ["birthDate"] = "1960-03-02", ["phone"] = phone };
        var referral = await A.Scheduled(host, slip => slip["patient"] = With(Phone));
        var scheduled = await requests.Next("scheduled", referral);
        (await host.As(ReferralHost.Township).Command($"/v1/referrals/{referral.Id}/patient-corrections", new { patient = With(null) }, "*"))
            .StatusCode.Should().Be(System.Net.HttpStatusCode.OK);
        await referral.Does("close", new { reason = "OTHER_HOSPITAL" });
        (await requests.Silence(referral)).Sequence.Should().BeGreaterThan(scheduled.Sequence!.Value);
        requests.Told(referral).Should().NotContain("closed");
        (await Readings(referral)).Should().Be(requests.Told(referral).Count(), "a number that is not there is not read");
    }

    [Theory]
    [InlineData("close", "WRONG_PATIENT", null)]
    [InlineData("close", "DIED", null)]
    [InlineData("close", "DUPLICATE", null)]
    [InlineData("close", "ENTERED_IN_ERROR", null)]
    [InlineData("close", "OTHER_HOSPITAL", "closed")]
    [InlineData("complete-without-return", "CURED", "completed")]
    public async Task Of_a_return_that_ends_with_its_parent_nothing_is_told_beside_what_the_parent_says(string verb, string reason, string? told)
    {
        await using var requests = await Requests.Of(host);
        var parent = await (await A.Arrived(host, Reachable)).Does("complete-treatment");
        var child = await parent.Returned();
        await parent.Does(verb, new { reason, replacedBy = reason == "DUPLICATE" ? (await A.Submitted(host)).No : null });
        await requests.Silence(child);
        if (told is null)
            await requests.Silence(parent);
        else
            await requests.Next(told, parent);
        requests.Told(parent, child).Where(notice => notice is "closed" or "completed" or "cancelled").Should().Equal(told is null ? [] : [told]);
        (await child.Look()).GetProperty("state").GetString().Should().Be("Closed");
        (await host.Database.Query<string>("select reason from referral where id = @Id", new { child.Id })).Single()
            .Should().Be(told is null ? reason : "CONDITION_CHANGED", "who was the wrong person is so below, too");
    }

    [Fact]
    public async Task A_return_that_is_closed_on_its_own_is_told()
    {
        await using var requests = await Requests.Of(host);
        var child = await (await (await A.Arrived(host, Reachable)).Does("complete-treatment")).Returned();
        await child.Does("close", new { reason = "OTHER_HOSPITAL" });
        await requests.Next("closed", child);
    }

    [Fact]
    public async Task Of_what_was_entered_in_error_nothing_is_told_any_more_and_an_end_without_words_needs_no_number()
    {
        await using var requests = await Requests.Of(host);
        var mistaken = await A.Scheduled(host, Reachable);
        await requests.Next("scheduled", mistaken);
        await mistaken.Does("mark-in-error");
        var silence = await requests.Silence(mistaken);
        await mistaken.Does("close", new { reason = "OTHER_HOSPITAL" });
        var unreachable = await (await A.Scheduled(host)).Does("close", new { reason = "DIED" });
        await requests.Silence(unreachable);
        await requests.Silence(mistaken, after: silence.Sequence!.Value);
        requests.Told(mistaken).Should().NotContain("closed");
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
