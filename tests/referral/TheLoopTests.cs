using System.Text.Json;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

[Collection("referral")]
public sealed class TheLoopTests(ReferralHost host)
{
    [Fact]
    public async Task A_patient_goes_up_is_treated_comes_back_and_is_followed_up()
    {
        var up = await A.Submitted(host);
        up.State.Should().Be("Submitted");
        up.Actions.Should().NotContain("accept", "the sender does not accept its own referral");

        await up.Does("claim");
        await up.Does("accept", new { department = "03.03", clinician = "dr-0001" });
        await up.Booked();
        await up.Does("dispatch");
        await up.Does("arrive");
        await up.Does("start-treatment");
        await up.Does("interim-note");
        await up.Does("complete-treatment");
        up.State.Should().Be("Treated");

        var down = await up.Returned();
        down.State.Should().Be("Submitted");
        await down.Does("accept", new { department = "02" });
        await up.Look();
        up.State.Should().Be("Treated", "an accepted way back closes nothing");
        await down.Booked();
        await down.Does("dispatch");
        await down.Does("arrive");
        await up.Look();
        up.State.Should().Be("Completed");
        up.Last.GetProperty("outcome").GetString().Should().Be("Returned");

        await down.Does("follow-up");
        await down.Does("follow-up");
        await down.Does("finish");
        await down.Look();
        down.Last.GetProperty("outcome").GetString().Should().Be("PlanFinished");

        var events = (await up.Timeline()).GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("event").GetString());
        events.Should().Equal("submitted", "triage-started", "accepted", "scheduled", "in-transit", "arrived", "treatment-started",
            "interim-note", "treated", "return-initiated", "return-accepted", "completed");
    }

    [Fact]
    public async Task The_paper_slips_own_fields_are_enough_to_refer()
    {
        var slip = ReferralHost.Slip("00");
        var response = await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", slip);
        response.StatusCode.Should().Be(System.Net.HttpStatusCode.Created, await response.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task An_emergency_under_a_standing_agreement_is_on_its_way_at_once()
    {
        var emergency = await A.Emergency(host);
        emergency.State.Should().Be("InTransit");
        emergency.Last.GetProperty("sequence").GetInt64().Should().Be(3, "submitted, accepted and in-transit are three rows");
        await emergency.Does("acknowledge");
        await emergency.Does("arrive", new { });
        emergency.State.Should().Be("Arrived");
    }
}
