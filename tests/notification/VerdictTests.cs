namespace NotificationService.Tests;

public sealed class VerdictTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly IReadOnlyList<TimeSpan> Schedule = WebhookSettings.From(new Microsoft.Extensions.Configuration.ConfigurationManager()).Schedule;
    private static readonly Answer Failed = new(500, "status", null, null);

    [Fact]
    public void The_schedule_is_the_one_that_is_promised()
    {
        var pauses = Enumerable.Range(0, 9).Select(step => Verdict.Of(step, Failed, Schedule, Now, 0).DueAt - Now);
        pauses.Should().Equal(TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(5), TimeSpan.FromMinutes(30), TimeSpan.FromHours(2),
            TimeSpan.FromHours(5), TimeSpan.FromHours(10), TimeSpan.FromHours(14), TimeSpan.FromHours(20), TimeSpan.FromHours(24));
    }

    [Fact]
    public void After_the_last_attempt_a_message_is_exhausted() =>
        Verdict.Of(9, Failed, Schedule, Now, 0).State.Should().Be(MessageState.Exhausted);

    [Theory]
    [InlineData(0)]
    [InlineData(0.5)]
    [InlineData(1)]
    public void Jitter_lengthens_a_pause_by_a_tenth_at_most(double jitter) =>
        (Verdict.Of(1, Failed, Schedule, Now, jitter).DueAt - Now).Should().Be(TimeSpan.FromMinutes(5) * (1 + jitter / 10));

    [Fact]
    public void Retry_after_lengthens_a_pause_and_never_shortens_it()
    {
        Verdict.Of(0, Failed with { RetryAfter = TimeSpan.FromMinutes(2) }, Schedule, Now, 0).DueAt.Should().Be(Now.AddMinutes(2));
        Verdict.Of(1, Failed with { RetryAfter = TimeSpan.FromMinutes(2) }, Schedule, Now, 0).DueAt.Should().Be(Now.AddMinutes(5));
        Verdict.Of(0, Failed with { RetryAfter = TimeSpan.FromDays(400) }, Schedule, Now, 0).DueAt.Should().Be(Now.AddDays(1));
    }

    [Theory]
    [InlineData("0s 5x")]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("-5s")]
    public void A_schedule_that_cannot_be_read_stops_the_start(string schedule)
    {
        var configuration = new Microsoft.Extensions.Configuration.ConfigurationManager { ["Webhooks:Schedule"] = schedule };
        FluentActions.Invoking(() => WebhookSettings.From(configuration)).Should().Throw<InvalidOperationException>().WithMessage("Webhooks:Schedule*");
    }

    [Fact]
    public void A_lease_that_is_shorter_than_an_attempt_stops_the_start()
    {
        var configuration = new Microsoft.Extensions.Configuration.ConfigurationManager { ["Webhooks:Lease"] = "00:00:10" };
        FluentActions.Invoking(() => WebhookSettings.From(configuration)).Should().Throw<InvalidOperationException>().WithMessage("Webhooks:Lease*");
    }
}
