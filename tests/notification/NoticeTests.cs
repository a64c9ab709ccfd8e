using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Referrals.Contracts;
using ServiceDefaults;

namespace NotificationService.Tests;

/// <summary>What patients are told, how, when, and what is left of it.</summary>
public sealed class NoticeTests(NoticeTests.Telling service) : IClassFixture<NoticeTests.Telling>
{
    public sealed class Telling : Service
    {
        private static readonly SmsGateway SmsServer = new();
        private static readonly SmtpSink MailServer = new();
        private static readonly ECDiffieHellman Key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);

        // ten in the morning in China
        public Telling() : this(new(new DateTimeOffset(DateTime.UtcNow.Date, TimeSpan.Zero).AddHours(2)))
        {
        }

        private Telling(TestClock clock) : base(clock, ("Notices:PrivateKeyFile", KeyFile()), ("Notices:Sms:Url", SmsServer.Url), ("Notices:Sms:Token", "gateway-token"),
            ("Notices:Smtp:Host", "127.0.0.1"), ("Notices:Smtp:Port", MailServer.Port.ToString()), ("Notices:Smtp:Tls", "false"), ("Notices:Smtp:From", "referral@hospital.example")) => Clock = clock;

        public TestClock Clock { get; }
        internal SmsGateway Sms => SmsServer;
        internal SmtpSink Mail => MailServer;
        public string PublicKey => Key.ExportSubjectPublicKeyInfoPem();

        private static string KeyFile()
        {
            var file = Path.GetTempFileName();
            File.WriteAllText(file, Key.ExportPkcs8PrivateKeyPem());
            return file;
        }
    }

    /// <summary>Ten in the evening; afterwards it is ten in the morning again, whatever went wrong.</summary>
    private sealed class Night : IDisposable
    {
        private readonly TestClock _clock;
        private readonly DateTimeOffset _over;

        public Night(TestClock clock)
        {
            (_clock, _over) = (clock, clock.GetUtcNow().AddDays(1));
            clock.Advance(TimeSpan.FromHours(12));
        }

        public void Passes() => _clock.Advance(TimeSpan.FromHours(10.1));

        public void Dispose() => _clock.Advance(_over - _clock.GetUtcNow());
    }

    private static string Phone() => "139" + Random.Shared.Next(10_000_000, 99_999_999);

    private async Task<Guid> Ask(string notice, NoticeRecipient recipient, bool urgent = false, TimeSpan? until = null, Guid? id = null, string? key = null,
        string? no = null, long? sequence = null, string? where = null, string[]? bring = null)
    {
        var request = id ?? Guid.CreateVersion7();
        var box = SealedBox.Seal(key ?? service.PublicKey, request.ToString(), JsonSerializer.Serialize(recipient, Json.Lenient));
        var body = new NoticeRequested(request, notice, no ?? "U260301000001003", urgent, "演示市中心医院",
            new DateTimeOffset(2026, 3, 2, 1, 30, 0, TimeSpan.Zero), service.Clock.GetUtcNow() + (until ?? TimeSpan.FromDays(2)), Convert.ToBase64String(box), where, bring, sequence);
        await service.Publish(JsonSerializer.Serialize(body, Json.Lenient), NoticeRequests.Requested, NoticeRequests.Exchange);
        return request;
    }

    private async Task<Guid> Silence(string no, long sequence)
    {
        var id = Guid.CreateVersion7();
        var body = new NoticeRequested(id, "cancelled", no, false, "", null, DateTimeOffset.UnixEpoch, "", Sequence: sequence);
        await service.Publish(JsonSerializer.Serialize(body, Json.Lenient), NoticeRequests.Requested, NoticeRequests.Exchange);
        return id;
    }

    private Task AllHeard() => Eventually.Is(async () =>
    {
        var queues = await Servers.Control("rabbitmqctl", "list_queues", "-q", "--no-table-headers", "-p", new Uri(service.RabbitMq).AbsolutePath[1..], "name", "messages");
        return queues.Split('\n').Contains("notification-notice-requests\t0");
    }, "every request is heard", 60);

    private Task Is(Guid id, string state) => Eventually.Is(
        async () => await service.Count("notice where id = @id and state = @state", new { id, state }) == 1, $"the notice is {state}");

    [Fact]
    public async Task A_text_message_goes_to_the_gateway_once_and_its_recipient_is_erased()
    {
        var phone = Phone();
        var id = await Ask("scheduled", new(phone, null));
        await Ask("scheduled", new(phone, null), id: id);
        await Is(id, "Sent");
        service.Sms.TextsTo(phone).Should().ContainSingle().Which.Should().Contain("3月2日 09:30").And.Contain("演示市中心医院").And.Contain("U260301000001003");
        service.Sms.Asked.Single(a => a.To == phone).Should().Match<(string Id, string, string, string Authorization)>(a => a.Id == id.ToString() && a.Authorization == "Bearer gateway-token");
        (await service.Count("notice where id = @id and recipient is null and channel = 'sms'", new { id })).Should().Be(1);
        string.Concat(await service.Database.Query<string>("select n::text from notice n")).Should().NotContain(phone).And.NotContain(Convert.ToHexStringLower(Encoding.UTF8.GetBytes(phone)));
    }

    [Fact]
    public async Task An_e_mail_goes_over_smtp()
    {
        var id = await Ask("reminder", new(null, "patient@example.org"));
        await Is(id, "Sent");
        var (_, message) = service.Mail.Mails.Single(m => m.To.Contains("<patient@example.org>"));
        message.Should().Contain("From: referral@hospital.example").And.Contain(id.ToString());
        var encoded = message.Split("\r\n\r\n", 2)[^1].Split("\n\n", 2)[^1];
        Encoding.UTF8.GetString(Convert.FromBase64String(Regex.Replace(encoded, @"\s", ""))).Should().Contain("3月2日 09:30");
    }

    [Fact]
    public async Task A_notice_is_written_in_the_language_of_its_reader_and_in_that_of_the_installation_otherwise()
    {
        var (english, chinese, unknown) = (Phone(), Phone(), Phone());
        foreach (var recipient in new NoticeRecipient[] { new(english, null, "en"), new(chinese, null, "zh"), new(unknown, null, "bo"), new(null, "reader@example.org", "en") })
            await Is(await Ask("scheduled", recipient), "Sent");
        service.Sms.TextsTo(english).Single().Should().Contain("has an appointment").And.Contain("2 March, 09:30");
        foreach (var phone in new[] { chinese, unknown })
            service.Sms.TextsTo(phone).Single().Should().Contain("已预约");
        service.Mail.Mails.Single(m => m.To.Contains("<reader@example.org>")).Message.Should().Contain("Your referral");
    }

    [Fact]
    public async Task A_gateway_that_is_away_is_tried_again_and_a_number_it_refuses_is_not()
    {
        var phone = Phone();
        service.Sms.Status = 503;
        var id = await Ask("accepted", new(phone, null));
        await Eventually.Is(async () => await service.Count("notice where id = @id and attempts = 1", new { id }) == 1, "one attempt failed");
        service.Sms.Status = 202;
        await Task.Delay(1500);
        service.Sms.TextsTo(phone).Should().ContainSingle("its time has not come");
        service.Clock.Advance(TimeSpan.FromMinutes(1.1));
        await Is(id, "Sent");
        service.Sms.Asked.Where(a => a.To == phone).Select(a => a.Id).Distinct().Should().ContainSingle("a gateway can tell a repetition");

        service.Sms.Status = 422;
        var refused = await Ask("accepted", new(Phone(), null));
        await Is(refused, "Failed");
        service.Sms.Status = 202;
        (await service.Count("notice where id = @refused and recipient is null and failure = 'status-422'", new { refused })).Should().Be(1, "what failed is erased, too");
    }

    [Fact]
    public async Task At_night_only_emergencies_are_sent_and_what_nobody_needs_any_more_is_not_sent_in_the_morning()
    {
        using var night = new Night(service.Clock);
        var (asleep, urgent, late) = (Phone(), Phone(), Phone());
        var waits = await Ask("scheduled", new(asleep, null));
        var expires = await Ask("reminder", new(late, null), until: TimeSpan.FromHours(2));
        await Is(await Ask("scheduled", new(urgent, null), urgent: true), "Sent");
        await Task.Delay(1500);
        service.Sms.TextsTo(asleep).Should().BeEmpty();
        (await service.Count("notice where id = @waits and state = 'Waiting' and due_at::time = '00:00'", new { waits })).Should().Be(1, "eight in the morning in China");
        night.Passes();
        await Is(waits, "Sent");
        await Is(expires, "Expired");
        service.Sms.TextsTo(late).Should().BeEmpty();
        (await service.Count("notice where id = @expires and recipient is null", new { expires })).Should().Be(1);
    }

    [Fact]
    public async Task A_recipient_that_another_key_sealed_or_another_notice_is_told_nothing()
    {
        using var other = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);
        await Is(await Ask("scheduled", new(Phone(), null), key: other.ExportSubjectPublicKeyInfoPem()), "Failed");
        var box = SealedBox.Seal(service.PublicKey, "one", "text");
        using var wider = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP521);
        foreach (var key in new[] { other, wider })
            FluentActions.Invoking(() => SealedBox.Open(key.ExportPkcs8PrivateKeyPem(), "one", box)).Should().Throw<CryptographicException>();
    }

    [Fact]
    public async Task A_notice_without_a_text_ends_in_the_error_queue_and_the_next_one_is_sent()
    {
        await Ask("no-such-notice", new(Phone(), null));
        await Is(await Ask("accepted", new(Phone(), null)), "Sent");
    }

    [Fact]
    public async Task A_notice_says_where_in_the_house_and_what_to_bring()
    {
        var phone = Phone();
        await Is(await Ask("scheduled", new(phone, null), where: "门诊楼三层302诊室", bring: ["身份证或社保卡", "转诊单"]), "Sent");
        service.Sms.TextsTo(phone).Single().Should().Contain("演示市中心医院门诊楼三层302诊室").And.Contain("身份证或社保卡、转诊单").And.Contain("3月2日 09:30");
        new NoticeTemplates(folder: null)
            .Text("reminder", "en", "U1", "City Hospital", DateTimeOffset.UnixEpoch, "Room 302", ["ID card", "X-ray"]).Should().Contain("City Hospital (Room 302)").And.Contain("ID card, X-ray");
    }

    [Fact]
    public async Task News_of_an_appointment_takes_the_place_of_older_news_in_whatever_order_it_comes()
    {
        using var night = new Night(service.Clock);
        var (first, second) = (Phone(), Phone());
        var (no, other) = ("U" + Random.Shared.Next(), "U" + Random.Shared.Next());
        var reminder = await Ask("reminder", new(first, null), no: no, sequence: 7);
        await Is(reminder, "Waiting");
        var moved = await Ask("rescheduled", new(first, null), no: no, sequence: 8);
        await Is(reminder, "Expired");
        (await service.Count("notice where id = @reminder and recipient is null", new { reminder })).Should().Be(1);
        // the older news comes last
        var cancelled = await Ask("booking-cancelled", new(second, null), no: other, sequence: 9);
        await Is(cancelled, "Waiting");
        var late = await Ask("reminder", new(second, null), no: other, sequence: 8);
        var newest = await Ask("scheduled", new(second, null), no: other, sequence: 10);
        await Is(newest, "Waiting");
        night.Passes();
        await Is(moved, "Sent");
        await Is(newest, "Sent");
        service.Sms.TextsTo(first).Should().ContainSingle();
        service.Sms.TextsTo(second).Should().HaveCount(2);
        (await service.Count("notice where id = @late", new { late })).Should().Be(0);
    }

    [Fact]
    public async Task Silence_drops_all_that_waits_for_a_referral_and_what_comes_late_is_not_told_either()
    {
        using var night = new Night(service.Clock);
        var (dropped, told) = (Phone(), Phone());
        var (no, other) = ("U" + Guid.NewGuid(), "U" + Guid.NewGuid());
        var waiting = new[] { await Ask("accepted", new(dropped, null), no: no, sequence: 5), await Ask("reminder", new(dropped, null), no: no, sequence: 7) };
        var stays = await Ask("scheduled", new(told, null), no: other, sequence: 5);
        foreach (var id in waiting.Append(stays))
            await Is(id, "Waiting");
        var silence = await Silence(no, 9);
        foreach (var id in waiting.Append(silence))
            await Is(id, "Expired");
        (await service.Count("notice where referral_no = @no and recipient is null", new { no })).Should().Be(3);
        await Ask("accepted", new(dropped, null), urgent: true, no: no, sequence: 6);
        await Ask("scheduled", new(dropped, null), urgent: true, no: no, sequence: 8);
        await AllHeard();
        (await service.Count("notice where referral_no = @no", new { no })).Should().Be(3, "what came late is not kept");
        night.Passes();
        await Is(stays, "Sent");
        service.Sms.TextsTo(told).Should().ContainSingle();
        service.Sms.TextsTo(dropped).Should().BeEmpty();
    }

    [Fact]
    public async Task Silence_that_is_heard_in_the_same_moment_as_what_it_is_about_wins()
    {
        using var night = new Night(service.Clock);
        var numbers = Enumerable.Range(0, 50).Select(_ => "U" + Guid.NewGuid()).ToArray();
        foreach (var no in numbers)
        {
            await Ask("scheduled", new(Phone(), null), no: no, sequence: 3);
            await Silence(no, 4);
        }
        await AllHeard();
        (await service.Count("notice where referral_no = any (@numbers) and template = 'silence'", new { numbers })).Should().Be(numbers.Length);
        (await service.Count("notice where referral_no = any (@numbers) and state <> 'Expired'", new { numbers })).Should().Be(0);
    }

    [Fact]
    public void Every_text_stands_in_both_languages_and_names_nothing_but_number_place_and_time()
    {
        var templates = new NoticeTemplates(folder: null);
        templates.Names.Should().HaveCountGreaterThan(12).And.Contain(["scheduled", "reminder", "declined", "no-show", "completed", "advised", "closed"]);
        foreach (var name in templates.Names)
            foreach (var language in new[] { "zh", "en" })
            {
                var text = templates.Text(name, language, "U260301000001003", "演示市中心医院", DateTimeOffset.UnixEpoch)!;
                text.Should().NotContainAny("{", "}", "诊断", "病", "科", "diagnos", "disease", "department").And.Contain("U260301000001003", name);
                text.Length.Should().BeLessThan(300, "a text message has room for little: {0}.{1}", name, language);
            }
    }
}
