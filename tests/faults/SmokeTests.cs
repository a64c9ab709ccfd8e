using Xunit;
using Xunit.Abstractions;

namespace Faults;

/// <summary>A few of the cases, short, in every test run; all of them, at length: tests/faults/run.</summary>
public sealed class SmokeTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Services_that_are_killed_messages_that_come_again_and_events_in_the_wrong_order_lose_and_double_nothing()
    {
        var cases = Catalogue.All.Where(c => c.Name is "X1" or "X5" or "X6").ToArray();
        var report = await new Run(new(cases, [Random.Shared.Next(1, 1_000_000)], Size.Smoke, Patience: 5, Minutes: 1), output.WriteLine).Cases();
        Assert.Equal(cases.Length, report.Count);
        Assert.All(report, o => Assert.Empty(o.Findings));
    }
}
