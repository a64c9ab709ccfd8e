namespace ReferralService.Deadlines;

/// <summary>
/// Working time of a house (工作时间) in Asia/Shanghai: the hours of a week with their rest, a table of holidays, and
/// weekends that are worked instead (调休).
/// </summary>
internal sealed class WorkingTime(
    IReadOnlySet<DayOfWeek> weekdays, TimeOnly opens, TimeOnly closes, (TimeOnly From, TimeOnly Until)? rest, IReadOnlyDictionary<DateOnly, bool> exceptions)
{
    // longer than any holiday: a calendar without a working day must not keep a timer from ever ringing
    private const int MostDaysOff = 60;

    public bool IsWorking(DateOnly day) => exceptions.TryGetValue(day, out var working) ? working : weekdays.Contains(day.DayOfWeek);

    /// <summary>The moment so much working time after <paramref name="from"/>; a time before it is counted around the clock.</summary>
    public DateTimeOffset Add(DateTimeOffset from, TimeSpan time)
    {
        if (time <= TimeSpan.Zero)
            return from + time;
        var day = ChinaTime.DayOf(from);
        for (var off = 0; off < MostDaysOff; day = day.AddDays(1))
        {
            if (!IsWorking(day))
            {
                off++;
                continue;
            }
            off = 0;
            foreach (var (start, end) in Hours(day))
            {
                var begins = start > from ? start : from;
                if (begins >= end)
                    continue;
                if (end - begins >= time)
                    return begins + time;
                time -= end - begins;
            }
        }
        return from + time;
    }

    private IEnumerable<(DateTimeOffset Start, DateTimeOffset End)> Hours(DateOnly day)
    {
        var midnight = ChinaTime.StartOf(day);
        DateTimeOffset At(TimeOnly time) => midnight + time.ToTimeSpan();
        if (rest is { } pause)
        {
            yield return (At(opens), At(pause.From));
            yield return (At(pause.Until), At(closes));
        }
        else
            yield return (At(opens), At(closes));
    }
}
