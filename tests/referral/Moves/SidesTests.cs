using System.Net;
using System.Net.Http.Json;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

/// <summary>Who may act for whom: external targets, the alliance office, author and approver.</summary>
[Collection("referral")]
public sealed class SidesTests(ReferralHost host)
{
    // a hospital of the same region that is in no alliance
    private async Task<string> Outsider()
    {
        var code = Alliances.Codes.New();
        var answer = await host.As(ReferralHost.County, "Operator").PutAsJsonAsync($"/v1/institutions/{code}",
            new { name = "联盟外医院", level = "SecondaryHospital", type = "General", ownership = "Private", region = "210681", synthetic = true }, ServiceDefaults.Json.Lenient);
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        return code;
    }

    [Fact]
    public async Task A_member_of_the_alliance_answers_for_itself()
    {
        var answer = await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", A.UpwardSlip(change: slip => slip["external"] = true));
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/external");
        var referral = await A.Submitted(host, slip => slip["external"] = true, await Outsider());
        await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "rule-broken",
            new { institution = ReferralHost.Tertiary, reason = "NO_CAPACITY", patientAgrees = true, external = true }, by: referral.Sender);
        // sent on to a member, the sender no longer speaks for the receiver
        await referral.Redirected(ReferralHost.County, by: referral.Sender);
        await referral.IsRefused("accept", HttpStatusCode.Forbidden, by: referral.Sender);
    }

    [Fact]
    public async Task The_sender_records_what_an_external_target_answered()
    {
        var referral = await A.Submitted(host, slip => slip["external"] = true, await Outsider());
        var accepted = await referral.Tries("accept", new { department = "03.03" }, by: referral.Sender);
        accepted.StatusCode.Should().Be(HttpStatusCode.OK, await accepted.Content.ReadAsStringAsync());
        await referral.Look();
        var arrived = await referral.Tries("arrive", by: referral.Sender);
        arrived.StatusCode.Should().Be(HttpStatusCode.OK, await arrived.Content.ReadAsStringAsync());
        (await referral.Events()).Should().Equal("submitted", "accepted", "arrived");
    }

    [Fact]
    public async Task An_external_target_that_is_silent_is_urged_and_never_expires()
    {
        var referral = await A.Submitted(host, slip => slip["external"] = true, await Outsider());
        await host.Pass(TimeSpan.FromDays(4));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Submitted");
        (await referral.Events()).Should().Contain("escalated");
    }

    private static Task<HttpResponseMessage> Office(ReferralHost host, A referral, string verb, string? onBehalfOf, string office = ReferralHost.County, object? body = null) =>
        host.As(office, "AllianceOffice", "office-1", onBehalfOf: onBehalfOf)
            .Command($"/v1/referrals/{referral.Id}/{verb}", body ?? A.Usual(verb), "*");

    [Fact]
    public async Task The_office_acts_for_a_member_when_it_says_so_and_the_history_keeps_it()
    {
        var referral = await A.Submitted(host);
        (await Office(host, referral, "accept", null)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Office(host, referral, "accept", onBehalfOf: referral.Sender)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        var accepted = await Office(host, referral, "accept", onBehalfOf: referral.Receiver);
        accepted.StatusCode.Should().Be(HttpStatusCode.OK, await accepted.Content.ReadAsStringAsync());
        var entry = (await referral.Timeline()).GetProperty("entries").EnumerateArray().Last();
        entry.GetProperty("institution").GetProperty("code").GetString().Should().Be(ReferralHost.County);
        entry.GetProperty("onBehalfOf").GetString().Should().Be(referral.Receiver);
        entry.GetProperty("role").GetString().Should().Be("AllianceOffice");
    }

    [Fact]
    public async Task An_office_in_the_receivers_own_house_is_not_the_receiver()
    {
        var referral = await A.Submitted(host);
        (await Office(host, referral, "accept", null, office: referral.Receiver)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task In_its_own_name_the_office_redirects_and_closes()
    {
        var referral = await A.Submitted(host);
        var closed = await Office(host, referral, "close", null);
        closed.StatusCode.Should().Be(HttpStatusCode.OK, await closed.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task The_office_writes_for_a_member_of_its_own_alliance_only()
    {
        var slip = A.UpwardSlip();
        var own = await host.As(ReferralHost.County, "AllianceOffice", onBehalfOf: ReferralHost.Township).Command("/v1/referrals?submit=true", slip);
        own.StatusCode.Should().Be(HttpStatusCode.Created, await own.Content.ReadAsStringAsync());
        (await own.Json()).GetProperty("state").GetString().Should().Be("Submitted");
        var other = await host.As(ReferralHost.Stranger, "AllianceOffice", onBehalfOf: ReferralHost.Township).Command("/v1/referrals?submit=true", A.UpwardSlip());
        other.StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task An_office_of_another_alliance_sees_nothing()
    {
        var referral = await A.Submitted(host);
        (await Office(host, referral, "close", null, office: ReferralHost.Stranger)).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task Nobody_signs_what_they_wrote_themselves()
    {
        var draft = await (await A.Drafted(host)).Does("send-for-review");
        await draft.IsRefused("approve", HttpStatusCode.UnprocessableEntity, "rule-broken", by: draft.Sender, subject: "dr-author");
        await draft.Does("approve");
        draft.State.Should().Be("Submitted");
        (await draft.Events()).Should().Equal("drafted", "sent-for-review", "submitted");
    }

    [Fact]
    public async Task Who_rewrites_a_draft_is_its_author_from_then_on()
    {
        var draft = await A.Drafted(host);
        var amended = await draft.Tries("amend", new { slip = A.UpwardSlip() }, subject: "dr-second");
        amended.StatusCode.Should().Be(HttpStatusCode.OK, await amended.Content.ReadAsStringAsync());
        await draft.Look();
        await draft.Does("send-for-review");
        await draft.IsRefused("approve", HttpStatusCode.UnprocessableEntity, by: draft.Sender, subject: "dr-second");
        (await draft.Tries("approve", subject: "dr-author")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task A_review_sends_it_back_with_a_reason_and_the_receiver_never_hears_of_it()
    {
        var draft = await (await A.Drafted(host)).Does("send-for-review");
        await draft.Does("send-back");
        draft.State.Should().Be("Draft");
        (await host.As(draft.Receiver).GetAsync($"/v1/referrals/{draft.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        await draft.Does("submit");
        draft.State.Should().Be("Submitted");
        var seen = await host.As(draft.Receiver).GetAsync($"/v1/referrals/{draft.Id}/timeline").Json();
        seen.GetProperty("entries").EnumerateArray().Select(e => e.GetProperty("event").GetString()).Should().Equal("submitted");
    }

    [Fact]
    public async Task An_emergency_waits_for_no_signature()
    {
        var draft = await (await A.Drafted(host)).Does("send-for-review");
        await draft.Does("make-emergency");
        draft.State.Should().Be("InTransit");
        (await draft.Events()).Should().Equal("drafted", "sent-for-review", "submitted", "accepted", "made-emergency", "in-transit");
        var written = await A.Drafted(host, slip => (slip["priority"], slip["greenChannel"]) = ("Emergency", "Stroke"));
        await written.IsRefused("send-for-review", HttpStatusCode.Conflict, "never-for-emergencies");
        await written.Does("submit");
        written.State.Should().Be("InTransit");
    }
}
