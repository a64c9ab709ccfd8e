using Microsoft.AspNetCore.Http;

namespace NotificationService.Tests;

/// <summary>What happens over seconds, hours and days, with a clock that the test moves.</summary>
public sealed class RetryTests(RetryTests.Timeless service) : IClassFixture<RetryTests.Timeless>, IAsyncLifetime
{
    public sealed class Timeless : Service
    {
        public Timeless() : this(new(DateTimeOffset.UtcNow))
        {
        }

        private Timeless(TestClock clock) : base(clock) => Clock = clock;

        public TestClock Clock { get; }
    }

    private readonly TestClock _clock = service.Clock;
    private Receiver _receiver = null!;

    public async Task InitializeAsync() => _receiver = await Receiver.Start();

    public async Task DisposeAsync() => await _receiver.DisposeAsync();

    private Task Tried(string endpoint, int times) => Eventually.Is(
        async () => await service.Count("attempt where endpoint_id = @endpoint::uuid", new { endpoint }) == times, $"{times} attempts are recorded");

    private void Answers(int status, Action<HttpContext>? with = null) => _receiver.Behaviour = (http, _) =>
    {
        with?.Invoke(http);
        return Receiver.Answer(http, status);
    };

    [Fact]
    public async Task A_message_keeps_its_id_over_the_whole_schedule_and_is_kept_when_it_is_exhausted()
    {
        Answers(500);
        var owner = service.As(A.Institution());
        var (id, secret) = await owner.Listens(_receiver.Url);
        await owner.Command($"/v1/endpoints/{id}/test");
        await Tried(id, 1);
        TimeSpan[] pauses = [.. new[] { 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400 }.Select(s => TimeSpan.FromSeconds(s))];
        for (var i = 0; i < pauses.Length; i++)
        {
            var due = (await service.Database.Query<DateTimeOffset>("select due_at from message where endpoint_id = @id::uuid", new { id }))[0];
            (due - _clock.GetUtcNow()).Should().BeGreaterThanOrEqualTo(pauses[i]).And.BeLessThanOrEqualTo(pauses[i] * 1.1);
            _clock.Advance(pauses[i] * 1.1);
            await Tried(id, i + 2);
        }
        _receiver.Requests.Select(r => r.Id).Distinct().Should().ContainSingle();
        _receiver.Requests.Select(r => r.Timestamp).Should().OnlyHaveUniqueItems("the timestamp is the attempt's").And.BeInAscendingOrder();
        _receiver.Requests.Should().OnlyContain(r => SignatureTests.Verifies(r, secret));
        _clock.Advance(TimeSpan.FromDays(1));
        await Task.Delay(700);
        _receiver.Requests.Should().HaveCount(10);
        (await DeliveryTests.Attempts(owner, id)).Should().OnlyContain(a => a.GetProperty("messageState").GetString() == "Exhausted");
    }

    [Fact]
    public async Task The_first_success_makes_what_waits_due_at_once()
    {
        Answers(500);
        var referral = A.Referral();
        var (id, _) = await service.As(referral.Sender).Listens(_receiver.Url, inOrder: false);
        var story = referral.Story(3);
        await service.Publish(story);
        await Tried(id, 3);
        _clock.Advance(TimeSpan.FromSeconds(6));
        await Tried(id, 5);
        // the circuit is open; one message is due in a moment, the others in minutes
        _clock.Advance(TimeSpan.FromSeconds(30));
        Answers(204);
        await service.Publish(referral.Next("note-added"));
        await _receiver.Has(4, "one success brings the others");
        _receiver.Sequences.Should().BeEquivalentTo([1, 2, 3, 4]);
    }

    [Fact]
    public async Task A_message_that_alone_is_rejected_keeps_its_schedule_while_others_succeed()
    {
        _receiver.Behaviour = (http, received) => Receiver.Answer(http, received.Sequence == 1 ? 500 : 204);
        var referral = A.Referral();
        var (id, _) = await service.As(referral.Sender).Listens(_receiver.Url);
        await service.Publish(referral.Next("submitted"));
        await Tried(id, 1);
        for (var i = 0; i < 20; i++)
        {
            await service.Publish(referral.Next("note-added"));
            await _receiver.Has(i + 1, "the others");
        }
        await Task.Delay(300);
        _receiver.Requests.Count(r => r.Sequence == 1).Should().Be(1);
    }

    [Fact]
    public async Task Retry_after_is_honoured_for_the_whole_endpoint()
    {
        Answers(503, http => http.Response.Headers.RetryAfter = "600");
        var referral = A.Referral();
        var (id, _) = await service.As(referral.Sender).Listens(_receiver.Url);
        await service.Publish(referral.Next("submitted"));
        await Tried(id, 1);
        Answers(204);
        await service.Publish(referral.Next("accepted"));
        _clock.Advance(TimeSpan.FromSeconds(590));
        await Task.Delay(1200);
        _receiver.Requests.Should().ContainSingle("it asked for ten minutes");
        _clock.Advance(TimeSpan.FromSeconds(20));
        await _receiver.Has(2, "both");
    }

    [Fact]
    public async Task An_overloaded_receiver_is_slowed_down_for()
    {
        Answers(429);
        var referral = A.Referral();
        var (id, _) = await service.As(referral.Sender).Listens(_receiver.Url);
        await service.Publish(referral.Next("submitted"));
        await Tried(id, 1);
        await service.Publish(referral.Next("accepted"));
        await Task.Delay(1200);
        _receiver.Requests.Should().ContainSingle("the next message waits, too");
        Answers(204);
        _clock.Advance(TimeSpan.FromSeconds(6));
        await _receiver.Has(2, "both");
    }

    [Fact]
    public async Task Five_days_of_failure_disable_an_endpoint_and_its_owner_is_told()
    {
        Answers(500);
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(_receiver.Url);
        await service.Publish(referral.Next("submitted"));
        await Tried(id, 1);
        _clock.Advance(TimeSpan.FromDays(4.9));
        await Tried(id, 2);
        (await owner.StateOf(id)).Should().Be("Active");
        _clock.Advance(TimeSpan.FromDays(0.2));
        await Eventually.Is(async () => await owner.StateOf(id) == "Disabled", "five days are over");
        (await owner.GetAsync($"/v1/endpoints/{id}").Json()).GetProperty("disabledReason").GetString().Should().Be("Failing");
        await Eventually.Is(async () => (await owner.GetStringAsync("/v1/events")).Contains("endpoint.disabled"), "the owner is told");

        Answers(204);
        await owner.Command($"/v1/endpoints/{id}/resume");
        await _receiver.Has(1, "resumed, what waited is delivered");
    }

    [Fact]
    public async Task Retries_survive_a_restart()
    {
        Answers(500);
        var referral = A.Referral();
        var (id, _) = await service.As(referral.Sender).Listens(_receiver.Url, inOrder: true);
        await service.Publish(referral.Story(3));
        await Tried(id, 1);
        await service.StopHost();
        Answers(204);
        _clock.Advance(TimeSpan.FromSeconds(6));
        await service.StartHost();
        await _receiver.Has(3, "after the restart");
        _receiver.Sequences.Should().Equal(1, 2, 3);
    }

    [Fact]
    public async Task What_a_killed_worker_held_is_free_again_within_thirty_seconds()
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(_receiver.Url);
        await owner.Command($"/v1/endpoints/{id}/pause");
        var now = _clock.GetUtcNow();
        // as a worker leaves it that is killed in the middle of an attempt
        await service.Database.Execute("""
            insert into message (id, endpoint_id, type, body, state, due_at, leased_until, created_at)
            values (gen_random_uuid(), @id::uuid, 'endpoint.test', '{"type":"endpoint.test"}', 'Waiting', @now, @now + interval '25 seconds', @now)
            """, new { id, now });
        await owner.Command($"/v1/endpoints/{id}/resume");
        await Task.Delay(700);
        _receiver.Requests.Should().BeEmpty("the lease holds");
        _clock.Advance(TimeSpan.FromSeconds(26));
        await _receiver.Has(1, "the lease ran out");
    }

    [Fact]
    public async Task What_never_comes_is_waited_for_no_longer_than_the_setting_says_and_is_told_late_if_it_comes_after_all()
    {
        var referral = A.Referral();
        var story = referral.Story(3);
        await service.Publish(story[0], story[2]);
        await Eventually.Is(async () => await service.Count("arrival where referral_id = @Id and hold_until is not null", new { referral.Id }) == 1, "the third is held");
        _clock.Advance(TimeSpan.FromSeconds(61));
        await service.Logged(story[2]);
        await service.Publish(story[1]);
        await service.Logged(story[1]);
        (await service.Database.Query<string>("select coalesce(irregular, '') from event where referral_id = @Id order by position", new { referral.Id })).Should().Equal("", "Gap", "Late");
    }

    [Fact]
    public async Task In_order_what_stands_behind_a_failed_message_is_not_due_before_it_and_comes_with_it_when_it_is_resent()
    {
        var allStand = new TaskCompletionSource();
        _receiver.Behaviour = async (http, _) =>
        {
            await allStand.Task;
            await Receiver.Answer(http, 500);
        };
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(_receiver.Url, inOrder: true);
        await service.Publish(referral.Story(3));
        await Eventually.Is(async () => await service.Count("message where endpoint_id = @id::uuid", new { id }) == 3, "all three wait");
        allStand.SetResult();
        await Tried(id, 1);

        (await service.Count("message where endpoint_id = @id::uuid and due_at < @then", new { id, then = _clock.GetUtcNow().AddSeconds(5) })).Should().Be(0);

        Answers(204);
        var first = (await service.Database.Query<Guid>("select id from message where endpoint_id = @id::uuid order by position limit 1", new { id })).Single();
        (await owner.Command($"/v1/endpoints/{id}/messages/{first}/resend")).EnsureSuccessStatusCode();
        await _receiver.Has(3, "the clock stands");
        _receiver.Sequences.Should().Equal(1, 2, 3);
    }

    [Fact]
    public async Task A_hundred_thousand_undelivered_messages_slow_nothing_down()
    {
        await using var dead = await Receiver.Start();
        dead.Behaviour = (http, _) => Receiver.Answer(http, 500);
        var (mute, referral) = (A.Institution(), A.Referral());
        var (id, _) = await service.As(mute).Listens(dead.Url);
        await service.As(referral.Sender).Listens(_receiver.Url);
        await service.Database.Execute("""
            insert into message (id, endpoint_id, type, body, state, due_at, created_at)
            select gen_random_uuid(), @id::uuid, 'endpoint.test', '{"type":"endpoint.test"}', 'Waiting', @now, @now from generate_series(1, 100000)
            """, new { id, now = _clock.GetUtcNow() });
        await service.Database.Execute("analyze message");
        await Eventually.Is(() => Task.FromResult(dead.Requests.Count >= 5), "they are being tried");
        foreach (var (e, i) in referral.Story(8).Select((e, i) => (e, i)))
        {
            await service.Publish(e);
            await _receiver.Has(i + 1, "a live endpoint beside them");
        }
        await service.As(mute).DeleteAsync($"/v1/endpoints/{id}");
    }
}
