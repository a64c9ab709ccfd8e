namespace SchedulingService.Sessions;

/// <summary>Which slots a session should have: the pattern, less days off, plus swapped days, as exceptions say.</summary>
internal static class SessionPlan
{
    /// <summary>Start and end of every slot from one day to another, both included.</summary>
    public static IEnumerable<(DateTimeOffset StartsAt, DateTimeOffset EndsAt)> Slots(
        Session session, IReadOnlyDictionary<DateOnly, SessionException> exceptions,
        IReadOnlyDictionary<DateOnly, CalendarDay> calendar, DateOnly from, DateOnly until)
    {
        var last = session.ValidUntil is { } end && end < until ? end : until;
        for (var day = session.ValidFrom > from ? session.ValidFrom : from; day <= last; day = day.AddDays(1))
        {
            if (HoursOf(session, exceptions.GetValueOrDefault(day), calendar.GetValueOrDefault(day), day) is not var (start, close))
                continue;
            var length = session.SlotMinutes ?? close - start;
            // what is left at the end and shorter than a slot is nobody's
            for (var minute = start; minute + length <= close; minute += length)
                yield return (Hours.At(day, minute), Hours.At(day, minute + length));
        }
    }

    private static (int From, int Until)? HoursOf(Session session, SessionException? exception, CalendarDay? calendar, DateOnly day)
    {
        if (exception is not null)
            return exception is { FromMinute: { } from, UntilMinute: { } until } ? (from, until) : null;
        if (calendar is { Works: false } && !session.OnHolidays)
            return null;
        var weekday = calendar?.LikeWeekday ?? (day.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)day.DayOfWeek);
        return session.Weekdays.Contains(weekday) ? (session.FromMinute, session.UntilMinute) : null;
    }
}
