using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>Each service is killed while it handles a message: before its commit, and after it but before the broker knows.</summary>
public sealed class ConsumerCrashTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Scheduling_killed_while_it_books_makes_one_booking(bool committed)
    {
        var referral = await A.Submitted(Alliance);
        await using var hold = await Hold.Commits(Scheduling.Database, "insert", "booking");
        await referral.Does("accept", new { department = "03.03" });
        await KillHeld(Scheduling, hold, committed);

        await referral.Reaches("Scheduled");
        await FinalRead.Holds(Alliance);
        (await Count(Scheduling, "select count(*) from booking where referral_id = @Id", new { referral.Id })).Should().Be(1);
        (await referral.Timeline()).Should().Equal("submitted", "accepted", "scheduled");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Referral_killed_while_it_records_the_booking_records_it_once(bool committed)
    {
        var referral = await A.Submitted(Alliance);
        await using var hold = await Hold.Commits(Referral.Database, "insert", "history", only: "new.event = 'scheduled'");
        await referral.Does("accept", new { department = "03.03" });
        await KillHeld(Referral, hold, committed);

        await referral.Reaches("Scheduled");
        await FinalRead.Holds(Alliance);
        (await referral.Timeline()).Should().Equal("submitted", "accepted", "scheduled");
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Notification_killed_while_it_stores_an_event_logs_it_once(bool committed)
    {
        await using var hold = await Hold.Commits(Notification.Database, "insert", "arrival");
        var referral = await A.Submitted(Alliance);
        await KillHeld(Notification, hold, committed);

        await FinalRead.Holds(Alliance);
        (await Count(Notification, "select count(*) from event where referral_id = @Id", new { referral.Id })).Should().Be(1);
    }

    private static async Task KillHeld(Service service, Hold hold, bool committed)
    {
        await hold.Caught();
        await service.Kill();
        if (committed)
            await hold.Release();
        else
            await hold.Undo();
        await service.Start();
    }
}
