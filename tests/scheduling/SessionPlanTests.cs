using SchedulingService.Sessions;

namespace SchedulingService.Tests;

public sealed class SessionPlanTests
{
    private static readonly DateOnly Monday = new(2027, 1, 4);

    private static readonly Session Mornings = new()
    {
        Id = Guid.Empty, Institution = "", Department = "03.03", Resource = "Slot", Weekdays = [1, 5], FromMinute = 8 * 60, UntilMinute = 9 * 60,
        SlotMinutes = 25, Capacity = 1, ValidFrom = Monday, OnHolidays = false,
    };

    [Fact]
    public void A_week_has_the_slots_of_its_weekdays_and_no_broken_one_at_the_end() =>
        Plan(Mornings).Should().Equal("01-04 08:00-08:25", "01-04 08:25-08:50", "01-08 08:00-08:25", "01-08 08:25-08:50");

    [Fact]
    public void Without_a_length_the_session_is_one_slot() =>
        Plan(Mornings with { SlotMinutes = null }).Should().Equal("01-04 08:00-09:00", "01-08 08:00-09:00");

    [Fact]
    public void A_session_may_end_at_midnight() =>
        Plan(Mornings with { FromMinute = 23 * 60, UntilMinute = 1440, SlotMinutes = null }).Should().Equal("01-04 23:00-00:00", "01-08 23:00-00:00");

    [Fact]
    public void It_begins_and_ends_with_its_days() =>
        Plan(Mornings with { ValidFrom = Monday.AddDays(1), ValidUntil = Monday.AddDays(4), SlotMinutes = null }).Should().Equal("01-08 08:00-09:00");

    [Fact]
    public void A_day_off_has_none_unless_the_session_works_on_holidays()
    {
        var off = new CalendarDay { OnDay = Monday, Works = false };
        Plan(Mornings with { SlotMinutes = null }, calendar: [off]).Should().Equal("01-08 08:00-09:00");
        Plan(Mornings with { SlotMinutes = null, OnHolidays = true }, calendar: [off]).Should().Equal("01-04 08:00-09:00", "01-08 08:00-09:00");
    }

    [Fact]
    public void A_saturday_that_replaces_a_friday_works_like_one_and_like_no_saturday()
    {
        var swapped = new CalendarDay { OnDay = Monday.AddDays(5), Works = true, LikeWeekday = 5 };
        Plan(Mornings with { SlotMinutes = null, Weekdays = [5] }, calendar: [swapped]).Should().Equal("01-08 08:00-09:00", "01-09 08:00-09:00");
        Plan(Mornings with { Weekdays = [6] }, calendar: [swapped]).Should().BeEmpty();
    }

    [Fact]
    public void An_exception_closes_a_day_or_gives_it_other_hours_whatever_the_calendar_says()
    {
        var off = new CalendarDay { OnDay = Monday.AddDays(1), Works = false };
        Plan(Mornings with { SlotMinutes = null }, [new() { OnDay = Monday }, new() { OnDay = Monday.AddDays(1), FromMinute = 600, UntilMinute = 660 }], [off])
            .Should().Equal("01-05 10:00-11:00", "01-08 08:00-09:00");
    }

    private static IEnumerable<string> Plan(Session session, SessionException[]? exceptions = null, CalendarDay[]? calendar = null) =>
        SessionPlan.Slots(session, (exceptions ?? []).ToDictionary(e => e.OnDay), (calendar ?? []).ToDictionary(d => d.OnDay), Monday, Monday.AddDays(6))
            .Select(s => $"{s.StartsAt.ToOffset(Hours.China):MM-dd HH:mm}-{s.EndsAt.ToOffset(Hours.China):HH:mm}");
}
