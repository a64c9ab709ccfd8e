using FluentAssertions;
using Xunit;

namespace ReferralService.Tests.Deadlines;

/// <summary>The demo's calendar of 2026 is the notice of the State Council's General Office (国办发明电〔2025〕7号).</summary>
public sealed class DemoCalendarTests
{
    // https://www.gov.cn/zhengce/content/202511/content_7047090.htm
    private static readonly (string From, string To)[] Holidays =
    [
        ("2026-01-01", "2026-01-03"), ("2026-02-15", "2026-02-23"), ("2026-04-04", "2026-04-06"), ("2026-05-01", "2026-05-05"),
        ("2026-06-19", "2026-06-21"), ("2026-09-25", "2026-09-27"), ("2026-10-01", "2026-10-07"),
    ];

    private static readonly string[] WorkedInstead = ["2026-01-04", "2026-02-14", "2026-02-28", "2026-05-09", "2026-09-20", "2026-10-10"];

    private static readonly (DateOnly Day, bool Working)[] Demo =
        [.. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "demo", "calendar-days.csv")).Skip(1).Select(line => line.Split(','))
            .Where(fields => fields[0] == "office" && fields[1].StartsWith("2026", StringComparison.Ordinal)).Select(fields => (DateOnly.Parse(fields[1]), fields[2] == "true"))];

    [Fact]
    public void Its_holidays_are_those_of_the_notice() =>
        Demo.Where(d => !d.Working).Select(d => d.Day).Should().BeEquivalentTo(Holidays.SelectMany(h => Days(DateOnly.Parse(h.From), DateOnly.Parse(h.To))));

    [Fact]
    public void Its_swapped_working_days_are_those_of_the_notice_and_lie_on_weekends()
    {
        Demo.Where(d => d.Working).Select(d => d.Day).Should().BeEquivalentTo(WorkedInstead.Select(DateOnly.Parse));
        Demo.Where(d => d.Working).Should().OnlyContain(d => d.Day.DayOfWeek == DayOfWeek.Saturday || d.Day.DayOfWeek == DayOfWeek.Sunday);
    }

    private static IEnumerable<DateOnly> Days(DateOnly from, DateOnly to) => Enumerable.Range(0, to.DayNumber - from.DayNumber + 1).Select(from.AddDays);
}
