using System.Net;
using FluentAssertions;
using Referrals.Contracts;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

[Collection("referral")]
public sealed class RedirectTests(ReferralHost host)
{
    private const string ThirdHouse = "12210681DEM0000571", FourthHouse = "12210681DEM0000309";

    [Fact]
    public async Task A_redirect_ends_the_leg_and_opens_the_next_under_the_same_number()
    {
        var referral = await A.Scheduled(host);
        var number = referral.No;
        await referral.Redirected(ReferralHost.County);
        var view = await referral.Look();
        view.GetProperty("referralNo").GetString().Should().Be(number);
        view.GetProperty("state").GetString().Should().Be("Submitted");
        view.GetProperty("leg").GetInt32().Should().Be(2);
        view.TryGetProperty("booking", out var booking).Should().Be(booking.ValueKind == System.Text.Json.JsonValueKind.Null, "the slot is free again");
        (await referral.Events()).Should().EndWith("redirected");
        await referral.Does("accept");
        referral.State.Should().Be("Accepted");
    }

    [Fact]
    public async Task The_house_of_an_earlier_leg_still_reads_and_no_longer_acts()
    {
        var referral = await (await A.Submitted(host)).Redirected(ReferralHost.County);
        (await referral.Look(ReferralHost.Tertiary)).GetProperty("availableActions").GetArrayLength().Should().Be(0);
        await referral.IsRefused("accept", HttpStatusCode.Forbidden, by: ReferralHost.Tertiary);
    }

    [Fact]
    public async Task A_redirect_never_goes_back_and_never_to_the_sender()
    {
        var referral = await (await A.Submitted(host)).Redirected(ReferralHost.County);
        object To(string house) => new { institution = house, reason = "NO_CAPACITY", patientAgrees = true };
        await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "target-already-tried", To(ReferralHost.Tertiary));
        await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "target-already-tried", To(ReferralHost.County));
        await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "rule-broken", To(ReferralHost.Township));
    }

    [Fact]
    public async Task Three_houses_may_have_it_and_not_a_fourth()
    {
        var referral = await (await (await A.Submitted(host)).Redirected(ReferralHost.County)).Redirected(ThirdHouse, department: null);
        var problem = await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "rule-broken",
            new { institution = FourthHouse, reason = "NO_CAPACITY", patientAgrees = true });
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/institution");
    }

    [Fact]
    public async Task The_patient_must_agree_to_another_house()
    {
        var referral = await A.Submitted(host);
        var problem = await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "rule-broken",
            new { institution = ReferralHost.County, reason = "NO_CAPACITY" });
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/patientAgrees");
    }

    [Fact]
    public async Task An_emergency_stays_on_the_way_asks_nobody_and_rings_at_the_next_house_until_it_answers()
    {
        var emergency = await A.Emergency(host);
        await emergency.Does("acknowledge");
        await emergency.Does("redirect", new { institution = ReferralHost.County, reason = "NO_CAPACITY" });
        emergency.State.Should().Be("InTransit");
        emergency.Last.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("GreenChannel");
        await emergency.IsRefused("acknowledge", HttpStatusCode.Forbidden, by: ReferralHost.Tertiary);

        var answered = await emergency.Tries("acknowledge", by: ReferralHost.County);
        answered.StatusCode.Should().Be(HttpStatusCode.OK);
        (await answered.Json()).GetProperty("nextDeadline").ToString().Should().NotContain("GreenChannel");
    }

    [Fact]
    public async Task An_emergency_knows_no_limit_of_houses()
    {
        var emergency = await A.Emergency(host);
        foreach (var house in (string[])[ReferralHost.County, ThirdHouse, FourthHouse])
            await emergency.Redirected(house, department: null, by: emergency.Sender);
        (await emergency.Look()).GetProperty("leg").GetInt32().Should().Be(4);
        emergency.State.Should().Be("InTransit");
    }

    [Fact]
    public async Task A_booking_of_the_earlier_leg_that_comes_late_changes_nothing_and_the_next_one_counts()
    {
        var referral = await A.Accepted(host);
        await referral.Redirected(ReferralHost.County);
        await referral.Does("accept");
        await referral.Hears(SchedulingEvents.Booked, attempt: 1, leg: 1);
        await Task.Delay(300);
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Accepted");
        await referral.Booked(attempt: 2);
        (await referral.Events()).Should().EndWith("scheduled");
    }

    [Theory]
    [InlineData("sender"), InlineData("alliance")]
    public async Task The_sender_and_the_alliance_office_may_send_it_on_as_well(string who)
    {
        var referral = await A.Submitted(host);
        var by = who == "sender" ? referral.Sender : ReferralHost.County;
        var response = await referral.Tries("redirect", by: by, role: who == "sender" ? "Clinician" : "AllianceOffice");
        response.StatusCode.Should().Be(HttpStatusCode.OK, await response.Content.ReadAsStringAsync());
    }
}
