using System.Net;

namespace NotificationService.Tests;

/// <summary>What is taken away for its age, and who is told.</summary>
public sealed class RetentionTests(RetentionTests.Timeless service) : IClassFixture<RetentionTests.Timeless>
{
    public sealed class Timeless : Service
    {
        public Timeless() : this(new(DateTimeOffset.UtcNow))
        {
        }

        private Timeless(TestClock clock) : base(clock) => Clock = clock;

        public TestClock Clock { get; }
    }

    private async Task Pass(TimeSpan time)
    {
        service.Clock.Advance(time);
        // a service that starts tidies up
        await service.StopHost();
        await service.StartHost();
    }

    [Fact]
    public async Task What_is_too_old_goes_and_whoever_reads_on_from_before_is_told_of_the_gap()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        // the clients of a host go with it
        HttpClient Owner() => service.As(referral.Sender);
        var (id, _) = await Owner().Listens(receiver.Url);
        var story = referral.Story(3);
        await service.Publish(story);
        await receiver.Has(3, "the story");
        await Owner().Command($"/v1/endpoints/{id}/pause");
        var paused = referral.Next("note-added");
        await service.Publish(paused);
        await service.Logged(paused);
        var cursor = (await Owner().GetAsync("/v1/events?limit=1").Json()).GetProperty("next").GetString();
        var last = (await service.Database.Query<long>("select max(position) from event"))[0];

        await Pass(TimeSpan.FromDays(31));
        await Eventually.Is(async () => await service.Count("inbox") == 0, "the ids that were heard are forgotten");
        (await service.Count("event")).Should().Be(4, "the log is kept for longer");
        await service.Publish(story[1]);
        var next = referral.Next("note-added");
        await service.Publish(next);
        await service.Logged(next);
        (await service.Count("event where event_id = @Id", new { story[1].Id })).Should().Be(1, "a repetition is known by the log");
        (await service.Count("arrival")).Should().Be(0);

        await Pass(TimeSpan.FromDays(370));
        await Eventually.Is(async () => await service.Count("event") == 0, "the log is pruned");
        foreach (var table in new[] { "event_party", "message", "attempt", "progress" })
            await Eventually.Is(async () => await service.Count(table) == 0, table + " goes with it");
        var stale = await Owner().GetAsync("/v1/events?after=" + cursor);
        stale.StatusCode.Should().Be(HttpStatusCode.Gone);
        (await stale.Json()).GetProperty("code").GetString().Should().Be("cursor-too-old");
        (await Owner().GetAsync("/v1/events/stream?after=" + cursor)).StatusCode.Should().Be(HttpStatusCode.Gone);

        var anew = A.Referral(sender: referral.Sender).Next("submitted");
        await service.Publish(anew);
        await service.Logged(anew);
        (await service.Database.Query<long>("select position from event")).Should().ContainSingle().Which.Should().BeGreaterThan(last, "no position is given twice");
        (await Owner().GetAsync("/v1/events").Json()).GetProperty("items").GetArrayLength().Should().Be(1);
    }
}
