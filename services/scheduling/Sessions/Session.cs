using System.Globalization;

namespace SchedulingService.Sessions;

/// <summary>A row of <c>session</c>: a weekly timetable that makes slots by itself. Minutes count from midnight in China.</summary>
internal sealed record Session
{
    public required Guid Id { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public string? Clinician { get; init; }
    /// <summary>1 Monday … 7 Sunday.</summary>
    public required int[] Weekdays { get; init; }
    public required int FromMinute { get; init; }
    public required int UntilMinute { get; init; }
    /// <summary>Length of one slot; null: the whole session is one slot.</summary>
    public int? SlotMinutes { get; init; }
    public required int Capacity { get; init; }
    public required DateOnly ValidFrom { get; init; }
    public DateOnly? ValidUntil { get; init; }
    public required bool OnHolidays { get; init; }
    public string? Place { get; init; }
    public string? ReservedFor { get; init; }
    public int? ReleaseHours { get; init; }
    public DateOnly MadeUntil { get; init; }
    public int Version { get; init; } = 1;

    public const string Columns = """
        id, institution, department, resource, clinician, weekdays, from_minute, until_minute, slot_minutes, capacity,
        valid_from, valid_until, on_holidays, place, reserved_for, release_hours, made_until, version
        """;
}

/// <summary>A day that is not as the pattern says: without minutes there is no session.</summary>
internal sealed record SessionException
{
    public required DateOnly OnDay { get; init; }
    public int? FromMinute { get; init; }
    public int? UntilMinute { get; init; }
}

/// <summary>A day off, or a swapped working day (调休) that works like another weekday.</summary>
internal sealed record CalendarDay
{
    public required DateOnly OnDay { get; init; }
    public required bool Works { get; init; }
    public int? LikeWeekday { get; init; }
}

/// <summary>Hours of a day as people write them, in China's time.</summary>
internal static class Hours
{
    public static readonly TimeSpan China = TimeSpan.FromHours(8);

    /// <summary>Minutes after midnight of a text such as 08:30; 24:00 is the end of the day.</summary>
    public static int? Minute(string? text) =>
        text == "24:00" ? 1440
        : TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time.Hour * 60 + time.Minute
        : null;

    public static string Text(int minute) => $"{minute / 60:00}:{minute % 60:00}";

    public static DateTimeOffset At(DateOnly day, int minute) =>
        new DateTimeOffset(day.ToDateTime(TimeOnly.MinValue), China).AddMinutes(minute).ToUniversalTime();

    public static DateOnly Day(DateTimeOffset time) => DateOnly.FromDateTime(time.ToOffset(China).DateTime);
}
