using System.Text.Json;
using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>What the services need goes away under load and comes back.</summary>
public sealed class ServersDownTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    private readonly ITestOutputHelper _output = output;
    private const int PerSecond = 20;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(4);
    private static readonly int DownFor = Environment.GetEnvironmentVariable("REFERRAL_FULL") == "1" ? 60 : 20;

    [Fact]
    public async Task A_broker_that_is_down_delays_no_clinic_and_what_waited_is_told_in_order()
    {
        var cursor = await EndOfFeed();
        var load = Load.Of(PerSecond, key => A.Submission(Referral, key));
        await Task.Delay(WarmUp + TimeSpan.FromSeconds(6));
        var before = load.Answers.Where(a => a.At > WarmUp.TotalSeconds).ToList();

        await Alliance.StopBroker();
        var down = load.Now;
        var written = Referral.Log.Count;
        var moved = new List<A>();
        for (var n = 0; n < 5; n++)
        {
            var referral = await A.Submitted(Alliance);
            foreach (var verb in new[] { "claim", "note", "release", "note", "claim" })
                await referral.Does(verb, verb == "release" ? new { reason = "WORKLOAD" } : null);
            moved.Add(referral);
        }
        await Task.Delay(TimeSpan.FromSeconds(Math.Max(1, DownFor - (load.Now - down))));
        (await Referral.Health()).Should().Be((200, "degraded"));
        var answers = await load.Stop();

        answers.Should().OnlyContain(a => a.Status == 201);
        var during = answers.Where(a => a.At > down).ToList();
        during.Should().HaveCountGreaterThan(DownFor * PerSecond / 2);
        _output.WriteLine($"p95 with the broker {Load.P95(before) * 1000:0} ms, without it {Load.P95(during) * 1000:0} ms");
        // speed is measured by tests/load; here it must only not wait for the broker
        during.Max(a => a.Took).Should().BeLessThan(DownFor / 4.0, "nobody waits for a broker that is away");
        (await Count(Referral, "select count(*) from outbox")).Should().BeGreaterThanOrEqualTo(during.Count + 30);

        (Referral.Log.Count - written).Should().BeLessThan(50, "a missing broker is worth a line now and then, not one per message");

        await Alliance.StartBroker();
        await FinalRead.Drains(Alliance, seconds: 30);
        await FinalRead.Holds(Alliance);
        await Eventually.Is(async () => await Referral.Health() == (200, "healthy"), "the referral service is healthy again", seconds: 30);
        var feed = await Feed(cursor);
        foreach (var referral in moved)
            feed[referral.No].Should().Equal(1, 2, 3, 4, 5, 6);
        foreach (var answer in answers)
            feed[answer.Json.GetProperty("referralNo").GetString()!].Should().Equal(1);
    }

    [Fact]
    public async Task A_database_that_crashes_is_answered_with_503_and_found_again_without_a_restart()
    {
        var pids = Alliance.Services.Select(s => s.Pid).ToList();
        var slips = Enumerable.Range(0, 1000).Select(_ => A.UpwardSlip()).ToArray();
        var load = Load.Of(PerSecond, key => A.Submission(Referral, key, SlipOf(key)));
        await Task.Delay(TimeSpan.FromSeconds(2));
        await Alliance.StopPostgres();
        await Task.Delay(TimeSpan.FromSeconds(2));
        await Alliance.StartPostgres();
        var back = load.Now;
        await Task.Delay(TimeSpan.FromSeconds(13));
        var answers = await load.Stop();

        answers.Should().OnlyContain(a => a.Status == 201 || a.Status == 503);
        var refused = answers.Where(a => a.Status == 503).ToList();
        _output.WriteLine($"{refused.Count} of {answers.Count} refused; back {answers.Where(a => a.Succeeded && a.Ended > back).Min(a => a.Ended) - back:0.00} s after PostgreSQL");
        refused.Should().NotBeEmpty();
        refused.Should().OnlyContain(a => a.MediaType == "application/problem+json" && a.RetryAfter > 0 && !a.Body.Contains("   at "));
        answers.Where(a => a.Succeeded && a.Ended > back).Min(a => a.Ended).Should().BeLessThan(back + 10, "the pool finds the database by itself");
        answers.Where(a => a.At > back + 10).Should().OnlyContain(a => a.Status == 201);
        Alliance.Services.Select(s => s.Pid).Should().Equal(pids, "nothing was restarted");

        // who was refused, or cut off after the commit, asks again with the same key
        foreach (var answer in refused)
        {
            using var again = await A.Submission(Referral, answer.Key, SlipOf(answer.Key));
            ((int)again.StatusCode).Should().Be(201);
        }
        var keys = answers.Select(a => a.Key).ToArray();
        (await Count(Referral, "select count(distinct body) from idempotency_key where key = any(@keys)", new { keys })).Should().Be(keys.Length);
        await FinalRead.Holds(Alliance);
        var known = await Referral.Database.Query<Guid>("select id from referral");
        known.Should().Contain(answers.Where(a => a.Succeeded).Select(a => a.Json.GetProperty("id").GetGuid()), "what was acknowledged stands");

        object SlipOf(string key) => slips[(uint)key.GetHashCode() % slips.Length];
    }

    private async Task<string> EndOfFeed()
    {
        string? cursor = null;
        while (true)
        {
            var page = await Page(cursor);
            cursor = page.GetProperty("next").GetString()!;
            if (page.GetProperty("items").GetArrayLength() == 0)
                return cursor;
        }
    }

    // number of the referral → sequence numbers in the order of the feed
    private async Task<Dictionary<string, List<long>>> Feed(string cursor)
    {
        var feed = new Dictionary<string, List<long>>();
        while (true)
        {
            var page = await Page(cursor);
            cursor = page.GetProperty("next").GetString()!;
            if (page.GetProperty("items").GetArrayLength() == 0)
                return feed;
            foreach (var e in page.GetProperty("items").EnumerateArray())
            {
                var subject = e.GetProperty("subject").GetString()!;
                if (!feed.TryGetValue(subject, out var sequences))
                    feed[subject] = sequences = [];
                sequences.Add(long.Parse(e.GetProperty("sequence").GetString()!));
            }
        }
    }

    private async Task<JsonElement> Page(string? after)
    {
        using var answer = await Notification.As(Alliance.Township).GetAsync("/v1/events?limit=500" + (after is null ? "" : "&after=" + Uri.EscapeDataString(after)));
        ((int)answer.StatusCode).Should().Be(200);
        return await answer.Json();
    }
}
