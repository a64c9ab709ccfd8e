using System.Net;
using FluentAssertions;
using Xunit;

namespace ReferralService.Tests.Moves;

[Collection("referral")]
public sealed class AnnotationsTests(ReferralHost host)
{
    [Fact]
    public async Task After_the_end_it_can_still_be_completed_and_corrected_in_words()
    {
        var referral = await (await A.Submitted(host)).Does("decline");
        foreach (var verb in (string[])["addendum", "file-consent", "rate", "mark-in-error"])
            await referral.Does(verb);
        referral.State.Should().Be("Declined");
        var view = await referral.Look();
        view.GetProperty("inError").GetBoolean().Should().BeTrue();
        view.GetProperty("rating").GetInt32().Should().Be(5);
        (await referral.Events()).Should().Equal("submitted", "declined", "addendum-added", "consent-filed", "rated", "marked-in-error");
        await referral.IsRefused("mark-in-error", HttpStatusCode.Conflict, "not-in-this-state");
        foreach (var verb in (string[])["note", "attach"])
            await referral.IsRefused(verb, HttpStatusCode.Conflict, "not-in-this-state");
    }

    [Fact]
    public async Task A_note_does_not_make_a_clerks_accept_stale()
    {
        var referral = await A.Submitted(host);
        var read = referral.Etag;
        await referral.Does("note");
        await referral.Does("attach");
        var accepted = await referral.Tries("accept", ifMatch: read);
        accepted.StatusCode.Should().Be(HttpStatusCode.OK, await accepted.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task A_priority_that_was_raised_does()
    {
        var referral = await A.Submitted(host, slip => slip["priority"] = "Routine");
        var read = referral.Etag;
        await referral.Does("raise-priority");
        (await referral.Tries("accept", ifMatch: read)).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed);
        referral.Actions.Should().NotContain("raise-priority");
        await referral.IsRefused("raise-priority", HttpStatusCode.Conflict);
        await referral.Does("claim");
        await referral.IsRefused("lower-priority", HttpStatusCode.UnprocessableEntity, body: new { });
        await referral.Does("lower-priority");
    }

    [Fact]
    public async Task A_discarded_draft_was_never_there_for_anybody_else()
    {
        var draft = await (await A.Drafted(host)).Does("discard");
        draft.State.Should().Be("Cancelled");
        draft.Actions.Should().BeEmpty();
        await draft.IsRefused("addendum", HttpStatusCode.Conflict, by: draft.Sender);
        (await host.As(draft.Receiver).GetAsync($"/v1/referrals/{draft.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task The_patient_of_an_emergency_is_identified_once()
    {
        var emergency = await A.Submitted(host, slip =>
        {
            (slip["priority"], slip["greenChannel"]) = ("Emergency", "Stroke");
            slip["patient"] = new System.Text.Json.Nodes.JsonObject { ["sex"] = "0" };
        });
        emergency.Actions.Should().Contain("identify-patient");
        await emergency.Does("identify-patient");
        (await emergency.Look()).GetProperty("patient").GetProperty("name").GetString().Should().Be("李*");
        await emergency.IsRefused("identify-patient", HttpStatusCode.Conflict, "patient-known");
    }

    [Fact]
    public async Task An_emergency_is_never_declined()
    {
        var emergency = await A.Submitted(host, slip => (slip["priority"], slip["greenChannel"]) = ("Emergency", "Obstetric"));
        emergency.State.Should().Be("Submitted", "nobody agreed to it in advance");
        await emergency.IsRefused("decline", HttpStatusCode.Conflict, "never-for-emergencies");
        emergency.Actions.Should().NotContain("decline");
        await emergency.Does("acknowledge");
        await emergency.Does("accept");
        await emergency.Does("dispatch");
        await emergency.IsRefused("no-show", HttpStatusCode.Conflict, "never-for-emergencies");
    }
}
