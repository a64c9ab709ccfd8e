using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>Many callers want the same thing at the same moment.</summary>
public sealed class RaceTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    [Theory]
    [InlineData("*", 409)]
    [InlineData("etag", 412)]
    public async Task Sixty_callers_accept_one_referral_and_one_of_them_succeeds(string ifMatch, int others)
    {
        var referral = await A.Submitted(Alliance);
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ =>
            referral.Tries("accept", new { department = "03.03" }, ifMatch == "*" ? "*" : referral.Etag)));

        answers.GroupBy(a => (int)a.StatusCode).ToDictionary(g => g.Key, g => g.Count())
            .Should().BeEquivalentTo(new Dictionary<int, int> { [200] = 1, [others] = 59 });
        await referral.Reaches("Scheduled");
        (await referral.Timeline()).Should().Equal("submitted", "accepted", "scheduled");
        await FinalRead.Holds(Alliance);
    }

    [Fact]
    public async Task One_submission_sent_fifty_times_at_once_is_one_referral_and_fifty_equal_answers_also_after_a_restart()
    {
        var (key, slip) = (Guid.NewGuid().ToString(), A.UpwardSlip());
        var before = await Count(Referral, "select count(*) from referral");
        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => A.Submission(Referral, key, slip)));
        answers.Should().OnlyContain(a => (int)a.StatusCode == 201);
        var bodies = await Task.WhenAll(answers.Select(a => a.Content.ReadAsStringAsync()));
        bodies.Distinct().Should().ContainSingle();
        answers.Select(a => (a.Headers.ETag, a.Headers.Location)).Distinct().Should().ContainSingle();
        (await Count(Referral, "select count(*) from referral")).Should().Be(before + 1);

        using (var other = await A.Submission(Referral, key, A.UpwardSlip()))
        {
            ((int)other.StatusCode).Should().Be(422);
            (await other.Json()).GetProperty("code").GetString().Should().Be("idempotency-key-reused");
        }

        await Referral.Kill();
        await Referral.Start();
        using var again = await A.Submission(Referral, key, slip);
        ((int)again.StatusCode).Should().Be(201);
        (await again.Content.ReadAsStringAsync()).Should().Be(bodies[0]);
        again.Headers.ETag.Should().Be(answers[0].Headers.ETag);
        (await Count(Referral, "select count(*) from referral")).Should().Be(before + 1);
        await FinalRead.Holds(Alliance);
    }

    [Fact]
    public async Task Two_hundred_moves_spread_over_two_instances_of_each_service_are_told_once_each()
    {
        var others = await Task.WhenAll(Programs.All.Select(service => Alliance.Another(service)));
        var other = others[0];
        await using var wire = await Wire.Listen(Alliance.RabbitMq, "referral-events");
        var referrals = await Task.WhenAll(Enumerable.Range(0, 40).Select(async n =>
        {
            using var submitted = await A.Submission(n % 2 == 0 ? Referral : other, Guid.NewGuid().ToString());
            return await A.Read(Alliance, (await submitted.Json()).GetProperty("id").GetGuid());
        }));
        await Parallel.ForEachAsync(referrals, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (referral, _) =>
        {
            foreach (var (verb, instance) in new[] { ("claim", other), ("note", Referral), ("accept", other), ("note", Referral) })
            {
                using var answer = await referral.Tries(verb, ifMatch: "*", at: instance);
                ((int)answer.StatusCode).Should().Be(200, await answer.Content.ReadAsStringAsync(CancellationToken.None));
            }
        });
        await Task.WhenAll(referrals.Select(r => r.Reaches("Scheduled")));

        await FinalRead.Holds(Alliance);
        foreach (var referral in referrals)
        {
            var timeline = await referral.Timeline();
            timeline.Should().HaveCount(6);
            await Eventually.Is(() => Task.FromResult(wire.About(referral.No).Count >= 6), "all are on the wire");
            wire.About(referral.No).Select(h => h.MessageId).Should().OnlyHaveUniqueItems();
        }
    }
}
