using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.DependencyInjection;
using Referrals.Contracts;
using ReferralService.Alliances;
using ServiceDefaults;
using Xunit;

namespace ReferralService.Tests.Notices;

/// <summary>
/// The service with a key to ask that patients are told something. The demo is a sandbox: here all of it is real, but for
/// one institution.
/// </summary>
public sealed class TellingHost : ReferralHost, IAsyncLifetime
{
    public const string Name = "测试欧阳静", Phone = "138 0000 1234";

    private static readonly ECDiffieHellman Key = ECDiffieHellman.Create(ECCurve.NamedCurves.nistP256);

    public TellingHost() : base(new Dictionary<string, string> { ["Notices:PublicKeyFile"] = KeyFile() })
    {
    }

    async Task IAsyncLifetime.InitializeAsync()
    {
        await InitializeAsync();
        await Database.Execute(BecomesAtOnce("code = @Stranger"), new { Stranger });
        await Services.GetRequiredService<AllianceDirectory>().Refresh();
    }

    private static string KeyFile()
    {
        var file = Path.GetTempFileName();
        File.WriteAllText(file, Key.ExportSubjectPublicKeyInfoPem());
        return file;
    }

    public static void Reachable(JsonObject slip) =>
        slip["patient"] = new JsonObject { ["name"] = Name, ["sex"] = "1", ["age"] = 60, ["phone"] = Phone };

    /// <summary>To whom it goes, as only the notification service can read it.</summary>
    public static NoticeRecipient Opened(NoticeRequested notice) => JsonSerializer.Deserialize<NoticeRecipient>(
        SealedBox.Open(Key.ExportPkcs8PrivateKeyPem(), notice.Id.ToString(), Convert.FromBase64String(notice.Recipient)), Json.Lenient)!;
}
