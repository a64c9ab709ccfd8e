using System.Net;
using System.Text.Json;
using FluentAssertions;
using Xunit;

namespace ReferralService.Tests.Moves;

[Collection("referral")]
public sealed class ReturnTests(ReferralHost host)
{
    [Fact]
    public async Task One_way_back_at_a_time()
    {
        var up = await A.Treated(host);
        await up.Returned();
        await up.Look();
        await up.IsRefused("return", HttpStatusCode.Conflict, "return-under-way");
        up.Actions.Should().NotContain("return");
    }

    [Fact]
    public async Task Two_returns_at_the_same_moment_make_one_child()
    {
        var up = await A.Treated(host);
        var answers = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => up.Tries("return")));
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Where(a => a.StatusCode != HttpStatusCode.OK).Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Conflict || a.StatusCode == HttpStatusCode.PreconditionFailed);
        (await host.Database.Query<int>("select count(*)::int from referral where parent_id = @Id", new { up.Id })).Single().Should().Be(1);
    }

    [Theory]
    [InlineData("decline"), InlineData("cancel"), InlineData("close")]
    public async Task When_the_way_back_fails_it_can_be_tried_again(string end)
    {
        var up = await A.Treated(host);
        var first = await up.Returned();
        await first.Does(end, end == "decline" ? new { reason = "BED_FULL" } : null);

        var view = await up.Look();
        view.GetProperty("state").GetString().Should().Be("Treated");
        view.TryGetProperty("liveReturn", out var live).Should().Be(live.ValueKind == JsonValueKind.Null);
        view.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("Return", "the day for the way back starts again");

        var second = await up.Returned();
        second.Id.Should().NotBe(first.Id);
        await second.Does("accept", new { department = "02" });
        await second.Does("arrive", new { identifiedBy = "Slip" });
        (await up.Look()).GetProperty("outcome").GetString().Should().Be("Returned");
    }

    [Fact]
    public async Task The_parent_takes_its_way_back_with_it_when_it_ends()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await up.Look();
        await up.Does("close", new { reason = "DIED" });
        var child = await down.Look();
        child.GetProperty("state").GetString().Should().Be("Closed");
        child.GetProperty("reason").GetString().Should().Be("DIED");
        (await up.Look()).TryGetProperty("liveReturn", out var live).Should().Be(live.ValueKind == JsonValueKind.Null);
    }

    [Fact]
    public async Task A_loop_closed_without_a_way_back_cancels_the_one_under_way()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await up.Look();
        await up.Does("complete-without-return", new { reason = "PATIENT_CHOICE" });
        (await up.Look()).GetProperty("outcome").GetString().Should().Be("NotReturned");
        (await down.Look()).GetProperty("state").GetString().Should().Be("Closed");
    }

    [Fact]
    public async Task A_patient_who_comes_back_unannounced_closes_the_loop_too()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await down.Does("arrive", new { identifiedBy = "Slip" });
        (await up.Look()).GetProperty("outcome").GetString().Should().Be("Returned");
        (await up.Events())[^2..].Should().Equal("return-accepted", "completed");
    }
}
