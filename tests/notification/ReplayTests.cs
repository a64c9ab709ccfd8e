using System.Net;

namespace NotificationService.Tests;

/// <summary>What an endpoint is sent again, or at all: by message, since a time, a cursor or a sequence number, and after it was away.</summary>
[Collection("service")]
public sealed class ReplayTests(Service service) : IAsyncLifetime
{
    private Receiver _receiver = null!;

    public async Task InitializeAsync() => _receiver = await Receiver.Start();

    public async Task DisposeAsync() => await _receiver.DisposeAsync();

    private Task<HttpResponseMessage> Replay(HttpClient owner, string endpoint, object body) => owner.Command($"/v1/endpoints/{endpoint}/replay", body);

    [Fact]
    public async Task A_delivered_message_is_sent_again_under_its_id()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, secret) = await owner.Listens(_receiver.Url);
        await service.Publish(referral.Story(2));
        await _receiver.Has(2, "the story");
        var message = _receiver.Requests.First(r => r.Sequence == 2).Id;
        await Eventually.Is(async () => await service.Count("message where id = @m::uuid and state = 'Delivered'", new { m = message }) == 1, "it is written down");
        var answer = await owner.Command($"/v1/endpoints/{id}/messages/{message}/resend");
        answer.StatusCode.Should().Be(HttpStatusCode.Accepted);
        await Eventually.Is(() => Task.FromResult(_receiver.Requests.Count(r => r.Id == message) == 2), "it comes again");
        _receiver.Requests.Should().HaveCount(3).And.OnlyContain(r => SignatureTests.Verifies(r, secret));
        await Eventually.Is(async () => (await owner.GetAsync(answer.Headers.Location).Json()).GetProperty("items").GetArrayLength() == 2, "both attempts are listed under the message");
    }

    [Fact]
    public async Task Somebody_elses_message_and_one_that_never_was_are_not_found()
    {
        var referral = A.Referral();
        await service.As(referral.Sender).Listens(_receiver.Url);
        await service.Publish(referral.Next("submitted"));
        await _receiver.Has(1, "the event");
        var stranger = service.As(A.Institution());
        var (own, _) = await stranger.Listens(_receiver.Url + "/mine");
        foreach (var message in new[] { _receiver.Requests.Single().Id, Guid.NewGuid().ToString(), "nonsense" })
            (await stranger.Command($"/v1/endpoints/{own}/messages/{message}/resend")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_replay_since_a_time_sends_what_was_logged_from_then_on_under_the_same_ids_and_in_order()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(_receiver.Url, inOrder: true);
        await service.Publish(referral.Story(2));
        await _receiver.Has(2, "the beginning");
        await Task.Delay(50);
        var since = DateTimeOffset.UtcNow;
        await service.Publish([.. Enumerable.Range(0, 30).Select(_ => referral.Next("note-added"))]);
        await _receiver.Has(32, "the story");
        await Eventually.Is(async () => await service.Count("message where endpoint_id = @id::uuid and state = 'Delivered'", new { id }) == 32, "all are written down");
        var first = _receiver.Requests.ToArray();
        _receiver.Requests.Clear();
        (await Replay(owner, id, new { since })).StatusCode.Should().Be(HttpStatusCode.Accepted);
        await Eventually.Is(() => Task.FromResult(_receiver.Requests.Count >= 30), "everything since then");
        await Task.Delay(300);
        _receiver.Requests.Select(r => r.Sequence).Should().Equal(Enumerable.Range(3, 30).Select(n => (long)n));
        _receiver.Requests.Select(r => r.Id).Should().BeSubsetOf(first.Select(r => r.Id), "a receiver that remembers ids acts once");
    }

    [Fact]
    public async Task A_replay_of_one_referral_from_a_sequence_number_sends_that_and_nothing_else()
    {
        var (referral, other) = (A.Referral(), A.Referral());
        var another = A.Referral(sender: referral.Sender);
        var owner = service.As(referral.Sender);
        await service.Publish(referral.Story(6));
        await service.Publish(other.Story(2));
        var last = another.Story(2);
        await service.Publish(last);
        await service.Logged(last[1]);
        var (id, _) = await owner.Listens(_receiver.Url);
        (await Replay(owner, id, new { referralId = referral.Id, sequence = 4 })).StatusCode.Should().Be(HttpStatusCode.Accepted);
        await _receiver.Has(3, "4, 5, 6");
        await Task.Delay(300);
        _receiver.Requests.Select(r => r.Sequence).Should().BeEquivalentTo([4, 5, 6]);
    }

    [Fact]
    public async Task A_new_endpoint_reads_what_was_before_it_from_a_cursor_of_the_feed_and_only_what_it_wants()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var story = referral.Story(8);
        await service.Publish(story);
        await service.Logged(story[7]);
        var after = (await owner.GetAsync("/v1/events?limit=2").Json()).GetProperty("next").GetString();
        var (id, _) = await owner.Listens(_receiver.Url, ["referral.up.accepted", "referral.up.treated"]);
        (await Replay(owner, id, new { after })).StatusCode.Should().Be(HttpStatusCode.Accepted);
        await _receiver.Has(2, "accepted and treated");
        await Task.Delay(300);
        _receiver.Requests.Select(r => r.Sequence).Should().BeEquivalentTo([3, 7]);
        // once more, but only what is missing: nothing is
        await Replay(owner, id, new { after, missingOnly = true });
        await Eventually.Is(async () => await service.Count("replay") == 0, "the replay is worked off");
        await Task.Delay(300);
        _receiver.Requests.Should().HaveCount(2);
    }

    [Fact]
    public async Task More_than_one_step_is_replayed_completely()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var last = referral.Story(1)[0];
        await service.Publish(last);
        await service.Publish([.. Enumerable.Range(0, 1200).Select(_ => last = referral.Next("note-added"))]);
        await Eventually.Is(async () => await service.Count("event where referral_id = @Id", new { referral.Id }) == 1201, "everything is in the log", 30);
        var (id, _) = await owner.Listens(_receiver.Url);
        await Replay(owner, id, new { since = DateTimeOffset.UtcNow.AddHours(-1) });
        await _receiver.Has(1201, "all of them", 30);
    }

    [Fact]
    public async Task What_came_while_an_endpoint_was_disabled_is_sent_when_it_is_resumed()
    {
        _receiver.Behaviour = (http, _) => Receiver.Answer(http, 410);
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(_receiver.Url, inOrder: true);
        await service.Publish(referral.Next("submitted"));
        await Eventually.Is(async () => await owner.StateOf(id) == "Disabled", "it is gone");
        (await owner.GetAsync($"/v1/endpoints/{id}").Json()).TryGetProperty("disabledAt", out _).Should().BeTrue();
        await Eventually.Is(async () => (await service.As(referral.Sender, "Coordinator").GetStringAsync("/v1/inbox")).Contains("endpoint.disabled"), "the staff sees it");
        (await Replay(owner, id, new { referralId = referral.Id })).StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await owner.Command($"/v1/endpoints/{id}/messages/{Guid.NewGuid()}/resend")).StatusCode.Should().Be(HttpStatusCode.Conflict);
        var meanwhile = referral.Next("triage-started");
        await service.Publish(meanwhile, referral.Next("accepted"));
        await service.Logged(meanwhile);
        _receiver.Behaviour = (http, _) => Receiver.Answer(http, 204);
        await owner.Command($"/v1/endpoints/{id}/resume");
        await service.Publish(referral.Next("scheduled"));
        // the endpoint.disabled of its own end belongs to the owner, too
        await _receiver.Has(5, "what waited, what was missed, why it was quiet, and what is new");
        _receiver.Taken.Where(r => r.Type != "endpoint.disabled").DistinctBy(r => r.Id).Select(r => r.Sequence).Should().Equal(1, 2, 3, 4);
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"since":"2026-03-01T00:00:00Z","after":"x"}""")]
    [InlineData("""{"since":"2026-03-01"}""")]
    [InlineData("""{"since":"2036-03-01T00:00:00Z"}""")]
    [InlineData("""{"sequence":3}""")]
    [InlineData("""{"referralId":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a10","sequence":0}""")]
    [InlineData("""{"after":"nonsense"}""")]
    [InlineData("""{"until":"2026-03-01T00:00:00Z"}""")]
    public async Task A_replay_that_names_no_beginning_or_two_is_refused_with_400(string body)
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(_receiver.Url);
        (await Replay(owner, id, System.Text.Json.JsonDocument.Parse(body).RootElement)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }
}
