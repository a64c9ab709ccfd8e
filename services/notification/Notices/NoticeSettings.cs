namespace NotificationService;

/// <summary>Settings of the notices to people; README.md lists them with their defaults.</summary>
internal sealed record NoticeSettings
{
    /// <summary>Private key (PEM) that opens the recipients; without it no notices are sent.</summary>
    public string? PrivateKey { get; init; }
    public string Language { get; init; } = "zh";
    /// <summary>No notice between these hours of the clock in China, emergencies excepted.</summary>
    public TimeOnly QuietFrom { get; init; }
    public TimeOnly QuietUntil { get; init; }
    public IReadOnlyList<TimeSpan> Retries { get; init; } = [TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2), TimeSpan.FromHours(6)];
    public Uri? SmsUrl { get; init; }
    public string? SmsToken { get; init; }
    public string? SmtpHost { get; init; }
    public int SmtpPort { get; init; }
    public string SmtpFrom { get; init; } = "";
    public string? SmtpUser { get; init; }
    public string? SmtpPassword { get; init; }
    public bool SmtpTls { get; init; }
    /// <summary>How long it is known that a notice was sent, without whom to.</summary>
    public TimeSpan Keep { get; init; }

    public static NoticeSettings From(IConfiguration configuration)
    {
        var section = configuration.GetSection("Notices");
        var quiet = (section["QuietHours"] ?? "21:00-08:00").Split('-');
        if (quiet.Length != 2 || !TimeOnly.TryParse(quiet[0], out var from) || !TimeOnly.TryParse(quiet[1], out var until))
            throw new InvalidOperationException("Notices:QuietHours: two times of day such as 21:00-08:00.");
        return new()
        {
            PrivateKey = section["PrivateKeyFile"] is { Length: > 0 } file ? File.ReadAllText(file) : null,
            Language = section["Language"] ?? "zh",
            QuietFrom = from, QuietUntil = until,
            SmsUrl = section["Sms:Url"] is { Length: > 0 } url ? new(url) : null,
            SmsToken = section["Sms:Token"],
            SmtpHost = section["Smtp:Host"],
            SmtpPort = section.GetValue("Smtp:Port", 587),
            SmtpFrom = section["Smtp:From"] ?? "referral@localhost",
            SmtpUser = section["Smtp:User"],
            SmtpPassword = section["Smtp:Password"],
            SmtpTls = section.GetValue("Smtp:Tls", true),
            Keep = section.GetValue("Keep", TimeSpan.FromDays(90)),
        };
    }

    /// <summary>The moment itself, or the end of the quiet hours it falls into.</summary>
    public DateTimeOffset Awake(DateTimeOffset time)
    {
        var local = time.ToOffset(TimeSpan.FromHours(8));
        var clock = TimeOnly.FromDateTime(local.DateTime);
        if (QuietFrom == QuietUntil || !clock.IsBetween(QuietFrom, QuietUntil))
            return time;
        var end = new DateTimeOffset(local.Date + QuietUntil.ToTimeSpan(), local.Offset);
        return end > local ? end.ToUniversalTime() : end.AddDays(1).ToUniversalTime();
    }
}
