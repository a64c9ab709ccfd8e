using System.Globalization;
using ReferralService.Deadlines;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>A working-time calendar: the hours of a week.</summary>
internal sealed record CalendarEntry : IEntry
{
    public string? Id { get; init; }
    public string? Name { get; init; }
    /// <summary>Monday … Sunday.</summary>
    public string[]? Weekdays { get; init; }
    /// <summary>08:00, Asia/Shanghai.</summary>
    public string? Opens { get; init; }
    public string? Closes { get; init; }
    public string? RestFrom { get; init; }
    public string? RestUntil { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Id, "/id");
        checks.Text(Name, "/name", 100);
        checks.That(Weekdays is { Length: > 0 } && Weekdays.All(d => Enum.GetNames<DayOfWeek>().Contains(d)), "/weekdays", "Names such as Monday.", "星期名称，例如 Monday。");
        var (opens, closes) = (Clock(Opens), Clock(Closes));
        checks.That(opens is not null, "/opens", "A time such as 08:00.", "时间格式如 08:00。");
        checks.That(closes > opens, "/closes", "A time such as 17:00, after it opens.", "时间格式如 17:00，且晚于开始时间。");
        checks.That((RestFrom is null) == (RestUntil is null) && (RestFrom is null || Clock(RestFrom) >= opens && Clock(RestUntil) > Clock(RestFrom) && Clock(RestUntil) <= closes),
            "/restFrom", "Both ends of the rest, within the hours.", "须同时填写休息起止时间，且在工作时间内。");
    }

    public static TimeOnly? Clock(string? text) => TimeOnly.TryParseExact(text, "HH:mm", CultureInfo.InvariantCulture, DateTimeStyles.None, out var time) ? time : null;

    public WorkingTime With(IEnumerable<CalendarDayEntry> days) => new(
        Weekdays!.Select(Enum.Parse<DayOfWeek>).ToHashSet(), Clock(Opens)!.Value, Clock(Closes)!.Value,
        RestFrom is null ? null : (Clock(RestFrom)!.Value, Clock(RestUntil)!.Value), days.ToDictionary(d => d.Day!.Value, d => d.Working!.Value));

    public static readonly Sheet<CalendarEntry> Sheet = new("calendars")
    {
        Optional = ["restFrom", "restUntil"],
        // a calendar may stand behind the timers of several alliances: the operator keeps it
        MayWrite = (_, _, _, _) => false,
        Upsert = """
            insert into calendar as row (id, name, weekdays, opens, closes, rest_from, rest_until)
            values (@Id, @Name, @Weekdays, @Opens, @Closes, @RestFrom, @RestUntil)
            on conflict (id) do update set (name, weekdays, opens, closes, rest_from, rest_until, version)
                = (excluded.name, excluded.weekdays, excluded.opens, excluded.closes, excluded.rest_from, excluded.rest_until, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.name, row.weekdays, row.opens, row.closes, row.rest_from, row.rest_until)
                      is distinct from (excluded.name, excluded.weekdays, excluded.opens, excluded.closes, excluded.rest_from, excluded.rest_until)
            """,
        Select = "select id as key, version, id, name, weekdays, opens, closes, rest_from, rest_until from calendar",
    };
}

/// <summary>A day that differs from its week: a holiday, or a weekend worked instead (调休).</summary>
internal sealed record CalendarDayEntry : IEntry
{
    public string? Calendar { get; init; }
    public DateOnly? Day { get; init; }
    public bool? Working { get; init; }
    public string? Name { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Calendar, "/calendar");
        checks.Required(Day, "/day");
        Workflow.Times.Day(checks, Day, "/day");
        checks.Required(Working, "/working");
        checks.Text(Name, "/name", 60, required: false);
    }

    public static readonly Sheet<CalendarDayEntry> Sheet = new("calendar-days")
    {
        Optional = ["name"],
        MayWrite = (_, _, _, _) => false,
        Upsert = """
            insert into calendar_day as row (calendar, day, working, name) values (@Calendar, @Day, @Working, @Name)
            on conflict (calendar, day) do update set (working, name, version) = (excluded.working, excluded.name, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion) and (row.working, row.name) is distinct from (excluded.working, excluded.name)
            """,
        Select = "select calendar || '/' || day as key, version, calendar, day, working, name from calendar_day",
    };
}
