using System.Net;
using System.Text.Json;
using Deployed;
using FluentAssertions;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>Whose referral was opened hears of it where its staff and its systems look: inbox, feed and webhook.</summary>
public sealed class BreakGlassNoticeTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    private const string County = "12210681DEM000022E";

    [Fact]
    public async Task Both_owners_find_it_in_inbox_feed_and_webhook_and_nobody_else_does()
    {
        await using var receiver = await Receiver.Open();
        await receiver.Subscribe(Alliance, Alliance.Township, "/clinic");
        var referral = await A.Submitted(Alliance);
        using var broken = await Referral.As(County, subject: "dr-emergency").Command($"/v1/referrals/{referral.Id}/break-glass", new { reason = "EmergencyCare", text = "患者昏迷送至我院急诊抢救" });
        broken.StatusCode.Should().Be(HttpStatusCode.Created, await broken.Content.ReadAsStringAsync());

        foreach (var owner in new[] { Alliance.Township, Alliance.Tertiary })
        {
            var line = await Eventually.Get(async () => (await Inbox(owner)).Where(i => i.GetProperty("subject").GetString() == referral.No
                && i.GetProperty("type").GetString() == "referral.up.addendum-added").Cast<JsonElement?>().FirstOrDefault(), $"{owner} finds it in its inbox", seconds: 20);
            line!.Value.GetProperty("mustAct").GetBoolean().Should().BeTrue();
        }
        var told = await Eventually.Get(() => Task.FromResult(receiver.Received.FirstOrDefault(w => w.Subject == referral.No && w.Name == "addendum-added")), "the clinic's system hears it", seconds: 20);
        var facts = told!.Event.GetProperty("data");
        facts.GetProperty("reason").GetString().Should().Be("BREAK_GLASS");
        facts.GetProperty("institution").GetString().Should().Be(County);
        told.Body.Should().NotContain("昏迷", "why, in words, stays with the owners' heads");
        (await Inbox(Alliance.OtherTownship)).Should().NotContain(i => i.GetProperty("subject").GetString() == referral.No);
        (await Inbox(County)).Should().NotContain(i => i.GetProperty("subject").GetString() == referral.No);
    }

    private async Task<JsonElement[]> Inbox(string institution)
    {
        using var answer = await Notification.As(institution).GetAsync("/v1/inbox?limit=100");
        answer.StatusCode.Should().Be(HttpStatusCode.OK);
        return [.. (await answer.Json()).GetProperty("items").EnumerateArray()];
    }
}
