using System.Net;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

/// <summary>The green channel from the first contact to the door.</summary>
[Collection("referral")]
public sealed class GreenChannelTests(ReferralHost host)
{
    private DateTimeOffset Now => host.Clock.GetUtcNow();

    private Task<A> Emergency(Action<JsonObject>? change = null) => A.Submitted(host, slip =>
    {
        (slip["priority"], slip["greenChannel"], slip["kind"]) = ("Emergency", "Stroke", "InpatientTransfer");
        slip.Remove("consent");
        change?.Invoke(slip);
    });

    [Fact]
    public async Task From_first_contact_to_the_door_all_five_times_stand_in_the_answer_and_in_the_event()
    {
        var (contact, called, left) = (Now.AddMinutes(-40), Now.AddMinutes(-35), Now.AddMinutes(-20));
        var referral = await Emergency(s => s["times"] = new JsonObject
        {
            ["firstContactAt"] = contact.ToString("O"), ["calledAt"] = called.ToString("O"), ["departedAt"] = left.ToString("O"),
        });
        referral.State.Should().Be("InTransit");
        host.Clock.Advance(TimeSpan.FromMinutes(10));
        await referral.Does("acknowledge");
        var arrived = Now;
        await referral.Does("arrive", new { identifiedBy = "Emergency", doorAt = arrived });

        var times = (await referral.Look()).GetProperty("times");
        string[] members = ["firstContactAt", "calledAt", "dispatchedAt", "arrivedAt", "doorAt"];
        members.Select(m => times.GetProperty(m).GetDateTimeOffset()).Should().BeInAscendingOrder().And.HaveCount(5);
        times.GetProperty("dispatchedAt").GetDateTimeOffset().Should().BeCloseTo(left, TimeSpan.FromSeconds(1));
    }

    [Fact]
    public async Task Times_that_are_known_only_afterwards_are_added_and_an_impossible_order_is_refused()
    {
        var referral = await Emergency();
        await referral.Does("arrive", new { identifiedBy = "Emergency" });
        await referral.Does("addendum", new { text = "补记时间", times = new { firstContactAt = Now.AddMinutes(-30), doorAt = Now } });
        var times = (await referral.Look()).GetProperty("times");
        times.TryGetProperty("firstContactAt", out _).Should().BeTrue();
        times.TryGetProperty("doorAt", out _).Should().BeTrue();

        (await referral.IsRefused("addendum", HttpStatusCode.UnprocessableEntity, "rule-broken", new { text = "x", times = new { firstContactAt = Now.AddMinutes(3) } }))
            .GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/times/firstContactAt");
        (await referral.IsRefused("addendum", HttpStatusCode.UnprocessableEntity, "rule-broken", new { text = "x", times = new { calledAt = Now.AddHours(1) } }))
            .GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/times/calledAt");
        await referral.IsRefused("addendum", HttpStatusCode.UnprocessableEntity, "rule-broken", new { text = "x", times = new { doorAt = Now.AddHours(-5) } });
    }

    [Fact]
    public async Task A_referral_that_is_no_emergency_has_no_such_times()
    {
        (await host.As(ReferralHost.Township).Command("/v1/referrals", A.UpwardSlip(change: s => s["times"] = new JsonObject { ["calledAt"] = Now.ToString("O") })))
            .StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var referral = await A.Submitted(host);
        await referral.IsRefused("addendum", HttpStatusCode.UnprocessableEntity, "rule-broken", new { text = "x", times = new { calledAt = Now } });
        await referral.IsRefused("note", HttpStatusCode.UnprocessableEntity, "rule-broken", new { text = "x", times = new { calledAt = Now } });
    }

    [Fact]
    public async Task Both_sides_are_told_within_five_seconds_that_it_is_asked_accepted_and_on_the_way()
    {
        var referral = await Emergency();
        var events = (await host.Database.Query<Guid>(
            "select message_id from history where referral_id = @Id and event in ('submitted', 'accepted', 'in-transit')", new { referral.Id })).ToArray();
        events.Should().HaveCount(3, "the standing agreement accepted it in advance");
        await Eventually.Is(async () => (await host.Database.Query<int>("select count(*)::int from outbox where message_id = any(@events)", new { events })).Single() == 0,
            "the alarm is out", seconds: 5);
    }

    [Fact]
    public async Task Nobody_answers_and_the_alarm_climbs_until_somebody_does()
    {
        var referral = await Emergency();
        await host.Pass(TimeSpan.FromMinutes(16));
        (await referral.Events()).Count(e => e == "deadline-missed").Should().BeGreaterThan(0);
        await host.Pass(TimeSpan.FromHours(2));
        (await referral.Events()).Should().Contain("escalated");
        await referral.Does("acknowledge");
        (await host.Database.Query<string>("select timers::text from referral where id = @Id", new { referral.Id })).Single()
            .Should().NotContain("GreenChannel", "an answered alarm is silent");
    }

    [Fact]
    public async Task Consent_and_identity_follow_and_the_clinic_is_reminded_until_they_do()
    {
        var referral = await Emergency(s => s["patient"] = new JsonObject { ["sex"] = "0" });
        await referral.Does("arrive", new { identifiedBy = "Emergency" });
        await host.Pass(TimeSpan.FromHours(25));
        (await referral.Events()).Should().Contain("deadline-missed");
        (await referral.Tries("file-consent", new { form = "Guardian" }, by: referral.Sender)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await referral.Tries("identify-patient", new { patient = new { name = "王五", sex = "1", age = 60 } }, by: referral.Receiver)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await referral.Events()).Should().Contain(["consent-filed", "patient-identified"]);
        await referral.IsRefused("identify-patient", HttpStatusCode.Conflict, "patient-known");
    }
}
