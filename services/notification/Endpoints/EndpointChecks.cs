using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>What an endpoint may be, whoever creates or changes it.</summary>
internal static class EndpointChecks
{
    private const int MostEntries = 100;

    /// <param name="urlNeeded">False where an address that is left out stays as it is.</param>
    public static Problem? Of(CreateEndpointRequest request, bool urlNeeded = true)
    {
        var checks = new Checks();
        if (urlNeeded)
            checks.Text(request.Url, "/url", 2000);
        if (!string.IsNullOrWhiteSpace(request.Url) && request.Url.Length <= 2000)
            checks.That(IsWebAddress(request.Url), "/url",
                "An absolute http(s) URL without user name and fragment.", "应为不含用户名与片段的 http(s) 绝对地址。");
        checks.Text(request.Description, "/description", 200, required: false);
        Each(request.Types, "/types", EventFilter.IsUsable,
            "No event has this type; e.g. referral.up.accepted or referral.down.*.", "没有此类型的事件，例如 referral.up.accepted 或 referral.down.*。");
        Each(request.Departments, "/departments", d => d.Length is > 0 and <= 16,
            "A department code, e.g. 03 or 03.01.", "应为诊疗科目代码，例如 03 或 03.01。");
        Each(request.Partners, "/partners", p => p.Length == 18 && p.All(char.IsAsciiLetterOrDigit),
            "A unified social credit code: 18 digits and letters.", "应为 18 位统一社会信用代码。");
        return checks.Passed ? null : checks.Problem;

        void Each(IReadOnlyList<string?>? entries, string pointer, Func<string, bool> usable, string en, string zh)
        {
            checks.That((entries?.Count ?? 0) <= MostEntries, pointer, $"At most {MostEntries} entries.", $"最多 {MostEntries} 项。");
            for (var i = 0; i < Math.Min(entries?.Count ?? 0, MostEntries); i++)
                checks.That(entries![i] is { } entry && usable(entry), $"{pointer}/{i}", en, zh);
        }
    }

    private static bool IsWebAddress(string text) =>
        Uri.TryCreate(text, UriKind.Absolute, out var url)
        && (url.Scheme == Uri.UriSchemeHttps || url.Scheme == Uri.UriSchemeHttp)
        && url.Host.Length > 0 && url.UserInfo.Length == 0 && url.Fragment.Length == 0;

    /// <summary>Null for an address that webhooks may go to; whoever sends looks again at the address it is connected to.</summary>
    public static async Task<Problem?> Address(AddressGuard guard, Uri url) => await guard.Refusal(url, CancellationToken.None) switch
    {
        AddressRefusal.HttpsNeeded => new(NotificationProblems.HttpsNeeded),
        AddressRefusal.NotPublic => new(NotificationProblems.AddressRefused),
        AddressRefusal.Unknown => new(NotificationProblems.AddressRefused) { Detail = new("The host name does not resolve.", "主机名无法解析。") },
        null => null,
    };
}
