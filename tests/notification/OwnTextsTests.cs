using System.Security.Cryptography;
using System.Text.Json;
using Referrals.Contracts;
using ServiceDefaults;

namespace NotificationService.Tests;

/// <summary>An installation that words its notices itself.</summary>
public sealed class OwnTextsTests(OwnTextsTests.Wording service) : IClassFixture<OwnTextsTests.Wording>
{
    public sealed class Wording : Service
    {
        private static readonly SmsGateway SmsServer = new();
        private static readonly ECDiffieHellman Key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);

        public Wording() : base(null, ("Notices:PrivateKeyFile", KeyFile()), ("Notices:Sms:Url", SmsServer.Url), ("Notices:QuietHours", "00:00-00:00"),
            ("Notices:Templates", Folder(("scheduled.zh.txt", "请来{place}，单号{no}"), ("scheduled.en.txt", "Come to {place}, {no}"), ("accepted.zh.txt", "已接收{no}"))))
        {
        }

        internal SmsGateway Sms => SmsServer;
        public string PublicKey => Key.ExportSubjectPublicKeyInfoPem();

        private static string KeyFile()
        {
            var file = Path.GetTempFileName();
            File.WriteAllText(file, Key.ExportPkcs8PrivateKeyPem());
            return file;
        }
    }

    private static string Folder(params (string Name, string Text)[] files)
    {
        var folder = Directory.CreateTempSubdirectory("texts").FullName;
        foreach (var (name, text) in files)
            File.WriteAllText(Path.Combine(folder, name), text);
        return folder;
    }

    [Theory]
    [InlineData("scheduled", "zh", "请来演示市中心医院，单号U1")]
    [InlineData("scheduled", "en", "Come to 演示市中心医院, U1")]
    [InlineData("accepted", "zh", "已接收U1")]
    [InlineData("accepted", "en", null)]
    [InlineData("advised", "zh", null)]
    [InlineData("closed", "en", null)]
    public async Task What_its_folder_lacks_is_told_in_the_built_in_words(string notice, string language, string? own)
    {
        var (id, phone) = (Guid.CreateVersion7(), "139" + Random.Shared.Next(10_000_000, 99_999_999));
        var box = SealedBox.Seal(service.PublicKey, id.ToString(), JsonSerializer.Serialize(new NoticeRecipient(phone, null, language), Json.Lenient));
        var request = new NoticeRequested(id, notice, "U1", false, "演示市中心医院", null, DateTimeOffset.UtcNow.AddDays(2), Convert.ToBase64String(box));
        await service.Publish(JsonSerializer.Serialize(request, Json.Lenient), NoticeRequests.Requested, NoticeRequests.Exchange);
        await Eventually.Is(async () => await service.Count("notice where id = @id and state = 'Sent'", new { id }) == 1, "it is sent");
        service.Sms.TextsTo(phone).Should().Equal(own ?? new NoticeTemplates(folder: null).Text(notice, language, "U1", "演示市中心医院", null));
    }

    [Fact]
    public void What_was_lent_is_named()
    {
        var lent = new NoticeTemplates(Folder(("scheduled.zh.txt", "{no}"))).Lent;
        lent.Should().Contain(["scheduled.en.txt", "advised.zh.txt", "closed.en.txt"]).And.NotContain("scheduled.zh.txt");
        new NoticeTemplates(folder: null).Lent.Should().BeEmpty();
    }

    [Theory]
    [InlineData("scheduled.txt", "{no}")]
    [InlineData("scheduled.fr.txt", "{no}")]
    [InlineData("scheduled.zh.txt", "{no} {diagnosis}")]
    [InlineData("scheduled.zh.txt", " ")]
    [InlineData("of-their-own.zh.txt", "{no}")]
    [InlineData(null, null)]
    public async Task Nobody_starts_with_a_folder_that_is_wrong(string? file, string? text)
    {
        var folder = file is null ? "/nowhere/texts" : Folder((file, text!));
        await using var host = new ServiceHost<Program>(service.Database.App, service.RabbitMq, null, new Dictionary<string, string> { ["Notices:Templates"] = folder });
        host.Invoking(h => h.As(null)).Should().Throw<InvalidOperationException>().WithMessage("Notices:Templates: *").Which.Message.Should().NotContain("\n");
    }
}
