using System.Globalization;
using System.Text.RegularExpressions;

namespace NotificationService;

/// <summary>
/// The texts for patients: a file per notice and language in <c>Notices/Templates</c>, or in a folder of the
/// installation's own. They may name the referral's number, place and time, where in the place and what to bring; there is
/// nothing else they could name.
/// </summary>
internal sealed partial class NoticeTemplates
{
    private static readonly TimeSpan ChinaTime = TimeSpan.FromHours(8);
    public static readonly string[] Languages = ["zh", "en"];
    private static readonly HashSet<string> Known = ["no", "place", "time", "where", "bring"];

    private static readonly Dictionary<string, string> Usual = new()
    {
        ["zh"] = "身份证件、医保凭证和既往检查资料", ["en"] = "your identity document, insurance card and earlier results",
    };

    private readonly Dictionary<(string Name, string Language), string> _texts;

    private static readonly string BuiltIn = Path.Combine(AppContext.BaseDirectory, "Notices", "Templates");

    public NoticeTemplates(IConfiguration configuration, ILogger<NoticeTemplates> log) : this(configuration["Notices:Templates"])
    {
        if (Lent.Count > 0)
            log.LogWarning("Notices:Templates has no {Texts}: the built-in ones are sent.", string.Join(", ", Lent));
    }

    /// <summary>The built-in texts, and in their place those of a folder of the installation's own.</summary>
    internal NoticeTemplates(string? folder)
    {
        var own = folder is { Length: > 0 } ? Read(folder) : [];
        _texts = own;
        foreach (var (key, text) in Read(BuiltIn))
            if (own.TryAdd(key, text) && folder is { Length: > 0 })
                Lent.Add($"{key.Name}.{key.Language}.txt");
        foreach (var name in Names)
            foreach (var language in Languages)
                if (!_texts.ContainsKey((name, language)))
                    throw new InvalidOperationException($"Notices:Templates: {name} has no text in {language}.");
    }

    /// <summary>Files a folder of the installation's own lacks, e.g. since a version that tells more: the built-in text stands for them.</summary>
    public List<string> Lent { get; } = [];

    private static Dictionary<(string Name, string Language), string> Read(string folder)
    {
        if (!Directory.Exists(folder))
            throw new InvalidOperationException($"Notices:Templates: there is no folder {folder}.");
        var texts = new Dictionary<(string, string), string>();
        foreach (var file in Directory.GetFiles(folder, "*.txt"))
        {
            var parts = Path.GetFileName(file).Split('.');
            var text = File.ReadAllText(file).Trim();
            if (parts.Length != 3 || !Languages.Contains(parts[1]))
                throw new InvalidOperationException($"Notices:Templates: the name of {file} is not NAME.zh.txt or NAME.en.txt.");
            if (text.Length == 0)
                throw new InvalidOperationException($"Notices:Templates: {file} is empty.");
            foreach (Match placeholder in Placeholder().Matches(text))
                if (!Known.Contains(placeholder.Groups[1].Value))
                    throw new InvalidOperationException($"Notices:Templates: {file}: {placeholder.Value} is none of {{no}}, {{place}}, {{time}}, {{where}} and {{bring}}.");
            texts[(parts[0], parts[1])] = text;
        }
        return texts;
    }

    public IReadOnlyCollection<string> Names => [.. _texts.Keys.Select(k => k.Name).Distinct()];

    /// <summary>The text, or null when there is no such notice.</summary>
    /// <param name="where">Where in the place; nothing stands for it when it is not known.</param>
    /// <param name="bring">What to bring; what is usual when it is not known.</param>
    public string? Text(string name, string language, string no, string place, DateTimeOffset? time, string? where = null, IReadOnlyList<string>? bring = null) =>
        !_texts.TryGetValue((name, language), out var text) ? null : Placeholder().Replace(text, placeholder => placeholder.Groups[1].Value switch
        {
            "no" => no,
            "place" => place,
            "where" => where is null ? "" : language == "zh" ? where : $" ({where})",
            "bring" => bring is not { Count: > 0 } ? Usual[language] : string.Join(language == "zh" ? "、" : ", ", bring),
            _ => time is not { } at ? "" : language == "zh"
                ? at.ToOffset(ChinaTime).ToString("M月d日 HH:mm", CultureInfo.InvariantCulture)
                : at.ToOffset(ChinaTime).ToString("d MMMM, HH:mm", CultureInfo.InvariantCulture),
        });

    [GeneratedRegex(@"\{(\w*)\}")]
    private static partial Regex Placeholder();
}
