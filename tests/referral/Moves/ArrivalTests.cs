using System.Net;
using System.Text.Json.Nodes;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using Referrals.Contracts;
using ServiceDefaults;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

[Collection("referral")]
public sealed class ArrivalTests(ReferralHost host)
{
    [Theory]
    [InlineData(null), InlineData("claim"), InlineData("request-information")]
    public async Task A_patient_who_stands_at_the_desk_without_an_answer_is_taken_over_and_registered_in_two_rows(string? before)
    {
        var referral = await A.Submitted(host);
        if (before is not null)
            await referral.Does(before);
        var sequence = (await referral.Look()).GetProperty("sequence").GetInt64();
        await referral.Does("arrive");
        referral.State.Should().Be("Arrived");
        referral.Last.GetProperty("sequence").GetInt64().Should().Be(sequence + 2);
        (await referral.Events())[^2..].Should().Equal("accepted", "arrived");
    }

    [Fact]
    public async Task An_emergency_that_arrives_before_anybody_answered_is_taken_over_by_whoever_receives_it()
    {
        var referral = await A.Submitted(host);
        await referral.Does("make-emergency", new { greenChannel = "Obstetric" });
        (await referral.Events()).Should().Equal("submitted", "made-emergency", "in-transit");
        await referral.Does("arrive", new { });
        (await referral.Events())[^2..].Should().Equal("accepted", "arrived");
    }

    [Fact]
    public async Task The_appointment_code_opens_the_door_once_and_a_wrong_one_leaves_nothing_behind()
    {
        var referral = await A.Accepted(host);
        var booking = Guid.NewGuid();
        await referral.Booked(codeHash: host.Services.GetRequiredService<Keys>().Hash("appointment-code", $"{booking:n}:K7M3QX"), booking: booking);
        await referral.IsRefused("arrive", HttpStatusCode.UnprocessableEntity, "wrong-appointment-code", new { code = "WRONG1" });
        await referral.Does("arrive", new { code = "k7m3qx" });
        await referral.IsRefused("arrive", HttpStatusCode.Conflict, body: new { code = "K7M3QX" });
    }

    [Fact]
    public async Task Somebody_must_say_how_the_patient_was_recognised_except_in_an_emergency()
    {
        var referral = await A.Submitted(host);
        await referral.IsRefused("arrive", HttpStatusCode.UnprocessableEntity, "rule-broken", new { });
        await (await A.Emergency(host)).Does("arrive", new { });
    }

    [Fact]
    public async Task Nobody_arrives_tomorrow_or_before_it_was_asked()
    {
        var referral = await A.Submitted(host);
        foreach (var at in (DateTimeOffset[])[host.Clock.GetUtcNow().AddDays(1), host.Clock.GetUtcNow().AddDays(-1)])
            await referral.IsRefused("arrive", HttpStatusCode.UnprocessableEntity, "rule-broken", new { identifiedBy = "IdCard", arrivedAt = at });
    }

    [Theory]
    [InlineData("0001-01-01T00:00:00Z"), InlineData("9999-12-31T23:59:59Z")]
    public async Task A_time_nobody_can_mean_is_refused_before_anything_is_reckoned_with_it(string at)
    {
        var referral = await A.Accepted(host);
        await referral.IsRefused("dispatch", HttpStatusCode.BadRequest, body: new { expectedArrival = at });
        await referral.IsRefused("arrive", HttpStatusCode.BadRequest, body: new { identifiedBy = "IdCard", arrivedAt = at });
        await referral.IsRefused("dispatch", HttpStatusCode.UnprocessableEntity, body: new { expectedArrival = host.Clock.GetUtcNow().AddDays(-1) });
        var down = await A.ReturnedAndArrived(host);
        await down.IsRefused("follow-up", HttpStatusCode.BadRequest, body: new { way = "Home", text = "x", nextDueOn = at[..10] });
        await down.IsRefused("adjust-plan", HttpStatusCode.BadRequest, body: new { text = "x", nextDueOn = at[..10] });
        var slip = A.UpwardSlip(change: s => s["expectedArrival"] = at);
        (await host.As(ReferralHost.Township).Command("/v1/referrals", slip)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task What_is_typed_in_afterwards_keeps_its_original_times_and_is_marked_so_that_nobody_is_notified()
    {
        var arrived = host.Clock.GetUtcNow().AddDays(-3);
        var day = ChinaTime.DayOf(arrived.AddDays(-2));
        var referral = await A.TypedInAfterwards(host, slip => (slip["arrivedAt"], slip["date"]) = (arrived.ToString("O"), day.ToString("yyyy-MM-dd")));
        referral.State.Should().Be("Arrived");
        var view = await referral.Look();
        view.GetProperty("channel").GetString().Should().Be("RETRO_ENTRY");
        view.GetProperty("flags").EnumerateArray().Select(f => f.GetString()).Should().Contain("RETRO_ENTRY");
        var times = view.GetProperty("times");
        times.GetProperty("arrivedAt").GetDateTimeOffset().Should().BeCloseTo(arrived, TimeSpan.FromMilliseconds(1));
        times.GetProperty("submittedAt").GetDateTimeOffset().Should().Be(ChinaTime.StartOf(day));
        (await referral.Events()).Should().Equal("submitted", "accepted", "arrived");
        view.GetProperty("sender").GetProperty("code").GetString().Should().Be(ReferralHost.Township);
        await referral.Does("start-treatment");
    }

    [Theory]
    [InlineData("", "RETRO_ENTRY", "/channel"), InlineData("?submit=true", "RETRO_ENTRY", "/channel"), InlineData("?arrived=true", null, "/date")]
    public async Task Typed_in_afterwards_is_what_the_receiver_received_and_nothing_that_is_still_to_come(string how, string? channel, string pointer)
    {
        var slip = A.UpwardSlip(change: s => (s["channel"], s["date"]) = (channel, ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(1).ToString("yyyy-MM-dd")));
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-0103", ["institution"] = ReferralHost.Township };
        var refused = await host.As(how == "?arrived=true" ? ReferralHost.Tertiary : ReferralHost.Township).Command("/v1/referrals" + how, slip);
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await refused.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task No_draft_and_no_linked_slip_becomes_one_that_was_typed_in_afterwards()
    {
        var draft = await A.Drafted(host);
        await draft.IsRefused("amend", HttpStatusCode.UnprocessableEntity, "rule-broken", new { slip = A.UpwardSlip(change: s => s["channel"] = "RETRO_ENTRY") });
        await (await A.Treated(host)).IsRefused("return", HttpStatusCode.UnprocessableEntity, "rule-broken", new { slip = A.DownwardSlip(s => s["channel"] = "RETRO_ENTRY") });
        await host.Database.Execute("update referral set channel = 'RETRO_ENTRY' where id = @Id", new { draft.Id });
        await draft.IsRefused("submit", HttpStatusCode.UnprocessableEntity, "rule-broken", new { });
    }

    [Fact]
    public async Task An_arrival_belongs_to_a_patient_who_is_here()
    {
        var slip = A.UpwardSlip(change: s => s["arrivedAt"] = host.Clock.GetUtcNow().ToString("O"));
        (await host.As(ReferralHost.Township).Command("/v1/referrals", slip)).StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);

        var reading = A.UpwardSlip(change: s => s["kind"] = "DiagnosticReading");
        reading["referrer"]!["institution"] = ReferralHost.Township;
        (await host.As(ReferralHost.Tertiary).Command("/v1/referrals?arrived=true", reading)).StatusCode.Should().Be(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task A_reading_brings_nobody()
    {
        var reading = await (await A.Submitted(host, slip => slip["kind"] = "DiagnosticReading")).Does("accept");
        reading.Last.GetProperty("waitingFor").GetString().Should().Be("receiver", "there is nothing to book");
        foreach (var verb in (string[])["arrive", "dispatch", "make-emergency"])
            await reading.IsRefused(verb, HttpStatusCode.Conflict, "not-this-kind");
        await reading.Does("report");
        (await reading.Look()).GetProperty("outcome").GetString().Should().Be("Reported");
    }
}
