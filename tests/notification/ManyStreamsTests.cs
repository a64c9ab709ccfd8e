namespace NotificationService.Tests;

/// <summary>A thousand readers with a socket each, before and after the service was started again.</summary>
public sealed class ManyStreamsTests(ManyStreamsTests.OnSockets service) : IClassFixture<ManyStreamsTests.OnSockets>
{
    public sealed class OnSockets : Service
    {
        protected override bool OverSockets => true;
    }

    private const int Institutions = 20, StreamsOfEach = 50, Patience = 120;

    [Fact]
    public async Task A_thousand_streams_get_each_event_once_and_in_order_and_go_on_where_they_were_after_a_restart()
    {
        var referrals = Enumerable.Range(0, Institutions).Select(_ => A.Referral()).ToArray();
        var streams = await Open(referrals.SelectMany(r => Enumerable.Repeat((Referral: r, LastId: (string?)null), StreamsOfEach)));
        try
        {
            foreach (var referral in referrals)
                await service.Publish(referral.Story(5));
            await Have(streams, [1, 2, 3, 4, 5]);
            await service.StopHost();
            await Eventually.Is(() => Task.FromResult(streams.All(s => s.Source.Ended)), "a service that stops ends its streams", Patience);
        }
        finally
        {
            await Close(streams);
        }

        foreach (var referral in referrals)
            await service.Publish(referral.Next("note-added"), referral.Next("note-added"));
        await service.StartHost();
        var again = await Open(streams.Select(s => (s.Referral, s.Source.LastId)));
        try
        {
            foreach (var referral in referrals)
                await service.Publish(referral.Next("note-added"));
            await Have(again, [6, 7, 8]);
        }
        finally
        {
            await Close(again);
        }
    }

    private async Task<List<(TestReferral Referral, EventSource Source)>> Open(IEnumerable<(TestReferral Referral, string? LastId)> readers)
    {
        var open = new List<(TestReferral, EventSource)>();
        foreach (var some in readers.Chunk(StreamsOfEach))
        {
            // one client for each institution: each stream has a connection of its own all the same
            var client = service.As(some[0].Referral.Receiver);
            open.AddRange(await Task.WhenAll(some.Select(async reader => (reader.Referral, await EventSource.Open(client, reader.LastId)))));
        }
        return open;
    }

    // whoever got more than was said, or another order, fails; it is given time, not a limit
    private static async Task Have(List<(TestReferral Referral, EventSource Source)> streams, long[] sequences)
    {
        await Eventually.Is(() => Task.FromResult(streams.All(s => s.Source.Events.Count >= sequences.Length)), $"each stream has {sequences.Length} events", Patience);
        streams.Should().OnlyContain(s => s.Source.Sequences.SequenceEqual(sequences));
        streams.Should().OnlyContain(s => s.Source.Events.All(e => e.GetProperty("subject").GetString() == s.Referral.No));
    }

    private static Task Close(List<(TestReferral Referral, EventSource Source)> streams) => Task.WhenAll(streams.Select(s => s.Source.DisposeAsync().AsTask()));
}
