using FluentAssertions;
using Deployed;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>A broker may deliver anything again, at any time.</summary>
public sealed class RepetitionTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    private readonly ITestOutputHelper _output = output;

    [Fact]
    public async Task Everything_that_was_ever_said_of_a_referral_said_again_in_any_order_changes_nothing()
    {
        await using var referrals = await Wire.Listen(Alliance.RabbitMq, "referral-events");
        await using var bookings = await Wire.Listen(Alliance.RabbitMq, "scheduling-events");
        var up = await A.Submitted(Alliance);
        await up.Does("accept", new { department = "03.03" });
        await up.Reaches("Scheduled");
        foreach (var verb in new[] { "dispatch", "arrive", "complete-treatment" })
            await up.Does(verb);
        await FinalRead.Drains(Alliance, seconds: 20);
        await Eventually.Is(() => Task.FromResult(referrals.About(up.No).Count == 6 && bookings.About(up.No).Count == 1), "the wire has heard all");
        var before = await Everything(up.Id);

        var seed = Random.Shared.Next();
        _output.WriteLine($"seed {seed}");
        var shuffled = Enumerable.Repeat(referrals.About(up.No), 5).SelectMany(all => all).ToArray();
        new Random(seed).Shuffle(shuffled);
        await referrals.Repeat(shuffled);
        await bookings.Repeat(Enumerable.Repeat(bookings.About(up.No)[0], 5));
        // the queues are first in, first out: what came after them is heard after them
        var marker = await A.Submitted(Alliance);
        await marker.Does("accept", new { department = "03.03" });
        await marker.Reaches("Scheduled");

        await FinalRead.Holds(Alliance);
        (await Everything(up.Id)).Should().Equal(before);
        referrals.About(up.No).Should().HaveCount(36);
    }

    // every row that any of the services keeps of a referral
    private async Task<IReadOnlyList<string>> Everything(Guid id) =>
    [
        .. await Rows(Referral, "select to_jsonb(r)::text from referral r where id = @id", id),
        .. await Rows(Referral, "select to_jsonb(h)::text from history h where referral_id = @id order by version", id),
        .. await Rows(Scheduling, "select to_jsonb(n)::text from need n where referral_id = @id", id),
        .. await Rows(Scheduling, "select to_jsonb(b)::text from booking b where referral_id = @id order by created_at", id),
        .. await Rows(Scheduling, "select to_jsonb(w)::text from waiting w where referral_id = @id", id),
        .. await Rows(Notification, "select to_jsonb(e)::text from event e where referral_id = @id order by position", id),
        .. await Rows(Notification, "select to_jsonb(a)::text from arrival a where referral_id = @id", id),
    ];

    private static Task<IReadOnlyList<string>> Rows(Service service, string sql, Guid id) => service.Database.Query<string>(sql, new { id });
}
