using System.Diagnostics;
using System.Net;

namespace NotificationService.Tests;

public sealed class StreamTests(StreamTests.Beating service) : IClassFixture<StreamTests.Beating>
{
    public sealed class Beating() : Service(null, ("Stream:Heartbeat", "00:00:01"), ("Stream:StreamsPerInstitution", "25"));

    [Fact]
    public async Task What_happens_comes_over_the_stream_with_the_bytes_it_was_published_with()
    {
        var referral = A.Referral();
        await using var sender = await EventSource.Open(service.As(referral.Sender));
        await using var receiver = await EventSource.Open(service.As(referral.Receiver, "Clinician"));
        await using var stranger = await EventSource.Open(service.As(A.Institution()));
        var story = referral.Story();
        await service.Publish(story);
        await sender.Has(4, "the sender");
        await receiver.Has(4, "the receiver");
        receiver.Events.Select(e => e.GetRawText()).Should().Equal(story.Select(e => e.Body));
        await Task.Delay(300);
        stranger.Events.Should().BeEmpty();
    }

    [Fact]
    public async Task A_stream_goes_on_after_the_last_id_over_a_restart_of_the_service()
    {
        var referral = A.Referral();
        var before = referral.Story(3);
        string? id;
        await using (var first = await EventSource.Open(service.As(referral.Sender)))
        {
            await service.Publish(before);
            await first.Has(3, "before the restart");
            id = first.LastId;
            await service.StopHost();
            await Eventually.Is(() => Task.FromResult(first.Ended), "a service that stops ends its streams");
        }
        var meanwhile = new[] { referral.Next("note-added"), referral.Next("note-added") };
        await service.Publish(meanwhile);
        await service.StartHost();
        await using var second = await EventSource.Open(service.As(referral.Sender), id);
        await service.Publish(referral.Next("note-added"));
        await second.Has(3, "after the restart");
        second.Sequences.Should().Equal(4, 5, 6);
    }

    [Fact]
    public async Task Streams_that_come_and_go_while_events_flow_see_each_event_once_and_in_order()
    {
        var referral = A.Referral();
        var seen = new List<long>();
        var (id, since) = ((await service.As(referral.Sender).GetAsync("/v1/events").Json()).GetProperty("next").GetString(), Stopwatch.StartNew());
        var publishing = Task.Run(async () =>
        {
            for (var i = 0; i < 300; i++)
                await service.Publish(referral.Next("note-added"));
        });
        while (seen.Count < 300 && since.Elapsed < TimeSpan.FromSeconds(30))
        {
            await using var source = await EventSource.Open(service.As(referral.Sender), id);
            await Task.Delay(Random.Shared.Next(20, 120));
            await source.DisposeAsync();
            seen.AddRange(source.Sequences);
            id = source.LastId;
        }
        await publishing;
        seen.Should().Equal(Enumerable.Range(1, 300).Select(n => (long)n));
    }

    [Fact]
    public async Task The_cursor_of_the_feed_and_the_id_of_the_stream_are_the_same()
    {
        var referral = A.Referral();
        var caller = service.As(referral.Sender);
        var story = referral.Story(2);
        await service.Publish(story);
        await service.Logged(story[1]);
        var page = await caller.GetAsync("/v1/events?limit=1").Json();
        await using var source = await EventSource.Open(caller, query: "?after=" + page.GetProperty("next").GetString());
        await source.Has(1, "the second event");
        source.Sequences.Should().Equal(2);
        (await caller.GetAsync("/v1/events?after=" + source.LastId).Json()).GetProperty("items").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task A_changed_id_and_one_of_another_institution_are_refused_with_400()
    {
        var theirs = (await service.As(A.Institution()).GetAsync("/v1/events").Json()).GetProperty("next").GetString()!;
        foreach (var id in new[] { theirs, "nonsense" })
            (await service.As(A.Institution()).GetAsync("/v1/events/stream?after=" + id)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await service.Anonymous().GetAsync("/v1/events/stream")).StatusCode.Should().Be(HttpStatusCode.Unauthorized);
    }

    [Fact]
    public async Task Sensitive_departments_are_masked_for_who_only_acted()
    {
        var office = A.Institution();
        await using var source = await EventSource.Open(service.As(office));
        await service.Publish(A.Referral().Next("submitted", f => f with { Department = "15", Institution = office }));
        await source.Has(1, "the masked event");
        source.Events.Single().GetProperty("data").TryGetProperty("department", out _).Should().BeFalse();
    }

    [Fact]
    public async Task A_quiet_stream_is_kept_open_and_ends_with_its_token()
    {
        await using var quiet = await EventSource.Open(service.As(A.Institution()));
        await Eventually.Is(() => Task.FromResult(quiet.Comments >= 2), "heartbeats come");
        await using var dying = await EventSource.Open(service.WithToken(Issuer.Shared.Token(A.Institution(), expires: DateTime.UtcNow.AddSeconds(2))));
        await Eventually.Is(() => Task.FromResult(dying.Ended), "the token has expired");
        quiet.Ended.Should().BeFalse();
    }

    [Fact]
    public async Task An_institution_has_at_most_so_many_streams_and_a_closed_one_makes_room()
    {
        var caller = service.As(A.Institution());
        var open = new List<EventSource>();
        for (var i = 0; i < 25; i++)
            open.Add(await EventSource.Open(caller));
        var refused = await caller.GetAsync("/v1/events/stream", HttpCompletionOption.ResponseHeadersRead);
        refused.StatusCode.Should().Be(HttpStatusCode.TooManyRequests);
        refused.Headers.RetryAfter.Should().NotBeNull();
        await open[0].DisposeAsync();
        await Eventually.Is(async () =>
        {
            using var answer = await caller.GetAsync("/v1/events/stream", HttpCompletionOption.ResponseHeadersRead);
            return answer.StatusCode == HttpStatusCode.OK;
        }, "there is room again");
        foreach (var source in open)
            await source.DisposeAsync();
    }

    [Fact]
    public async Task A_thousand_streams_are_served_by_one_reader_of_the_log()
    {
        var referrals = Enumerable.Range(0, 50).Select(_ => A.Referral()).ToArray();
        var sources = new List<EventSource>();
        foreach (var referral in referrals)
            sources.AddRange(await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => EventSource.Open(service.As(referral.Receiver)))));
        try
        {
            var (quiet, since) = (await Transactions(), Stopwatch.StartNew());
            await Task.Delay(3000);
            // the pollers of sequencer, dispatcher, pump and relay; a thousand streams that ask by themselves would be thousands
            ((await Transactions() - quiet) / since.Elapsed.TotalSeconds).Should().BeLessThan(100, "open streams cost the database nothing");

            foreach (var referral in referrals)
                await service.Publish(referral.Story(5));
            await Eventually.Is(() => Task.FromResult(sources.All(s => s.Events.Count == 5)), "each stream has its five events", 20);
            sources.Should().OnlyContain(s => s.Sequences.SequenceEqual(new long[] { 1, 2, 3, 4, 5 }));
        }
        finally
        {
            await Task.WhenAll(sources.Select(s => s.DisposeAsync().AsTask()));
        }

        async Task<long> Transactions() => (await service.Database.Query<long>(
            "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()"))[0];
    }
}
