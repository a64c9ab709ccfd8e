using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>The referral service is killed at each moment of a move's way from the request to the broker's confirm.</summary>
public sealed class CrashTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    [Fact]
    public async Task Killed_before_its_commit_a_submission_leaves_nothing_and_a_retry_makes_one_referral()
    {
        var (key, slip, before) = (Guid.NewGuid().ToString(), A.UpwardSlip(), await Referrals());
        await using var hold = await Hold.Commits(Referral.Database, "insert", "history");
        var lost = A.Submission(Referral, key, slip);
        await hold.Caught();
        await Referral.Kill();
        await hold.Undo();

        await lost.Awaiting(call => call).Should().ThrowAsync<HttpRequestException>("nobody was left to answer");
        (await Referrals()).Should().Be(before);
        (await Count(Referral, "select count(*) from outbox")).Should().Be(0);
        (await Count(Referral, "select count(*) from idempotency_key where key = @key", new { key })).Should().Be(0);

        await Referral.Start();
        using var answer = await A.Submission(Referral, key, slip);
        ((int)answer.StatusCode).Should().Be(201);
        (await Referrals()).Should().Be(before + 1);
        await FinalRead.Holds(Alliance);
    }

    [Fact]
    public async Task Killed_while_it_waits_for_its_commit_a_submission_may_stand_and_a_retry_finds_it()
    {
        var (key, slip, before) = (Guid.NewGuid().ToString(), A.UpwardSlip(), await Referrals());
        await using var hold = await Hold.Commits(Referral.Database, "insert", "history");
        var lost = A.Submission(Referral, key, slip);
        await hold.Caught();
        await Referral.Kill();
        // PostgreSQL had everything: it commits, and there is nobody to tell
        await hold.Release();

        await lost.Awaiting(call => call).Should().ThrowAsync<HttpRequestException>();
        (await Referrals()).Should().Be(before + 1);
        await Referral.Start();
        using var answer = await A.Submission(Referral, key, slip);
        ((int)answer.StatusCode).Should().Be(201);
        answer.Headers.Should().Contain(h => h.Key == "Idempotency-Replayed");
        (await Referrals()).Should().Be(before + 1);
        await FinalRead.Holds(Alliance);
    }

    [Fact]
    public async Task A_retry_at_another_instance_waits_for_the_doubtful_commit_and_gets_its_answer()
    {
        var (key, slip, before) = (Guid.NewGuid().ToString(), A.UpwardSlip(), await Referrals());
        var other = await Alliance.Another("referral");
        await using var hold = await Hold.Commits(Referral.Database, "insert", "history");
        var lost = A.Submission(Referral, key, slip);
        await hold.Caught();
        await Referral.Kill();
        var retry = A.Submission(other, key, slip);
        await Eventually.Is(async () => await Count(Referral, """
            select count(*) from pg_locks l join pg_stat_activity a using (pid)
            where not l.granted and l.locktype = 'transactionid' and a.datname = current_database()
            """) > 0, "the retry waits for the first transaction");
        await hold.Release();

        await lost.Awaiting(call => call).Should().ThrowAsync<HttpRequestException>();
        using var answer = await retry;
        ((int)answer.StatusCode).Should().Be(201);
        answer.Headers.Should().Contain(h => h.Key == "Idempotency-Replayed");
        (await Referrals()).Should().Be(before + 1);
        await Referral.Start();
        await FinalRead.Holds(Alliance);
    }

    [Fact]
    public async Task Killed_between_commit_and_publish_it_loses_no_event_and_doubles_none()
    {
        await Alliance.StopBroker();
        var referral = await A.Submitted(Alliance);
        await referral.Does("accept", new { department = "03.03" });
        (await Count(Referral, "select count(*) from outbox")).Should().Be(2, "nothing could be published");
        await Referral.Kill();
        await Alliance.StartBroker();
        await Referral.Start();

        await referral.Reaches("Scheduled");
        await FinalRead.Holds(Alliance);
        await HadItsEffectOnce(referral);
    }

    [Fact]
    public async Task Killed_between_publish_and_acknowledgement_it_says_it_twice_and_is_heard_once()
    {
        var referral = await A.Submitted(Alliance);
        await FinalRead.Drains(Alliance, seconds: 10);
        await using var wire = await Wire.Listen(Alliance.RabbitMq, "referral-events");
        // the relay removes a message after the broker's confirm
        await using var hold = await Hold.Commits(Referral.Database, "delete", "outbox", only: "old.routing_key = 'referral.up.accepted'");
        await referral.Does("accept", new { department = "03.03" });
        await hold.Caught();
        await Eventually.Is(() => Task.FromResult(Accepted().Count == 1), "the event is on the wire although it is still in the outbox");
        await Referral.Kill();
        await hold.Undo();
        (await Count(Referral, "select count(*) from outbox where routing_key = 'referral.up.accepted'")).Should().Be(1);
        await Referral.Start();

        await Eventually.Is(() => Task.FromResult(Accepted().Count == 2), "the event is said again");
        Accepted().Select(h => h.MessageId).Distinct().Should().ContainSingle("a repetition keeps its id");
        await referral.Reaches("Scheduled");
        await FinalRead.Holds(Alliance);
        await HadItsEffectOnce(referral);

        List<Wire.Heard> Accepted() => [.. wire.About(referral.No).Where(h => h.Type == "referral.up.accepted")];
    }

    private async Task HadItsEffectOnce(A referral)
    {
        (await Count(Notification, "select count(*) from event where referral_id = @Id and type like '%.accepted'", new { referral.Id })).Should().Be(1);
        (await Count(Scheduling, "select count(*) from need where referral_id = @Id", new { referral.Id })).Should().Be(1);
        (await Count(Scheduling, "select count(*) from booking where referral_id = @Id", new { referral.Id })).Should().Be(1);
        (await referral.Timeline()).Should().Equal("submitted", "accepted", "scheduled");
    }

    private Task<long> Referrals() => Count(Referral, "select count(*) from referral");
}
