using System.Net;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using ReferralService.Indicators;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Indicators;

/// <summary>The 48 hours of the closed loop count in the indicator from where the referral's own timer counted them.</summary>
public sealed class LoopStartTests(ReferralHost host) : IClassFixture<ReferralHost>
{
    private async Task<decimal> Closed(string hospital)
    {
        await host.Services.GetRequiredService<MeasureReferrals>().Counted(0);
        var report = await host.As(hospital, "Head").GetAsync("/v1/indicators?side=received").Json();
        var loop = report.GetProperty("indicators")[3].GetProperty("values");
        loop.GetProperty("eligible").GetDecimal().Should().Be(1);
        return loop.GetProperty("acceptedWithin48Hours").GetDecimal();
    }

    // accepted, a day later there, and taken back below thirty hours after that: within 48 hours of the arrival alone
    private async Task<A> TakenBackLate(string hospital)
    {
        var up = await (await A.Submitted(host, receiver: hospital)).Does("accept");
        host.Clock.Advance(TimeSpan.FromHours(24));
        await up.Does("arrive", new { identifiedBy = "IdCard" });
        await up.Does("complete-treatment");
        var child = await up.Returned(slip => slip["referrer"] = new System.Text.Json.Nodes.JsonObject { ["doctor"] = "dr-test" });
        host.Clock.Advance(TimeSpan.FromHours(30));
        await child.Does("accept", new { department = "02" });
        return up;
    }

    [Fact]
    public async Task Two_alliances_with_different_starts_are_each_counted_by_their_own()
    {
        (await host.As(ReferralHost.County, "AllianceOffice").Command("/v1/timer-settings", new
        {
            timer = "Treatment", alliance = "al-county", startsAt = "Accepted", steps = new[] { new { afterMinutes = 2880, does = "Missed", to = new[] { "MedicalOffice" } } },
        })).StatusCode.Should().Be(HttpStatusCode.Created);
        await host.Services.GetRequiredService<AllianceDirectory>().Refresh();
        host.Clock.Advance(TimeSpan.FromMinutes(1));

        var inCounty = await TakenBackLate(ReferralHost.County);
        await TakenBackLate(ReferralHost.Tertiary);
        (await Closed(ReferralHost.County)).Should().Be(0, "its alliance counts from the acceptance");
        (await Closed(ReferralHost.Tertiary)).Should().Be(1, "the other counts from the arrival, whatever the first has set");

        // what is set afterwards changes nothing of what was treated before
        (await host.As(ReferralHost.County, "AllianceOffice").Command("/v1/timer-settings", new
        {
            timer = "Treatment", alliance = "al-county", startsAt = "Arrived", steps = new[] { new { afterMinutes = 2880, does = "Missed", to = new[] { "MedicalOffice" } } },
        })).StatusCode.Should().Be(HttpStatusCode.Created);
        await host.Services.GetRequiredService<AllianceDirectory>().Refresh();
        await inCounty.Does("note");
        (await Closed(ReferralHost.County)).Should().Be(0);
    }
}
