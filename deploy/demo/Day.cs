namespace ReferralDemo;

/// <summary>Days and hours as the alliance writes them: China has one time zone and no summer time.</summary>
internal static class Day
{
    private static readonly TimeSpan Shanghai = TimeSpan.FromHours(8);

    public static DateTimeOffset Now => DateTimeOffset.UtcNow.ToOffset(Shanghai);
    public static DateOnly Today => DateOnly.FromDateTime(Now.DateTime);

    public static DateTimeOffset At(DateOnly day, TimeOnly time) => new(day, time, Shanghai);

    /// <summary>RFC 3339 with the offset of China.</summary>
    public static string Text(DateTimeOffset time) => time.ToOffset(Shanghai).ToString("yyyy-MM-ddTHH:mm:sszzz");

    /// <summary>Month, day and minute, for people.</summary>
    public static string Short(DateTimeOffset time) => time.ToOffset(Shanghai).ToString("MM-dd HH:mm");
}
