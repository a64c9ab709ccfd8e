using System.Net;
using FluentAssertions;
using TestKit;
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
    public async Task What_is_attached_to_a_draft_goes_out_with_it_and_is_counted_and_a_remark_stays_at_home()
    {
        var draft = await A.Drafted(host);
        var read = draft.Etag;
        foreach (var (verb, body) in new (string, object)[]
        {
            ("attach", new { title = "头颅CT", itemCode = "CT-001", laboratory = "前阳镇影像室", recognised = true, qualityUntil = "2099-12-31", reference = "urn:x" }),
            ("note", new { text = "家属周三来" }),
        })
        {
            var answer = await draft.Tries(verb, body, by: draft.Sender);
            answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        }
        var amended = await draft.Tries("amend", new { slip = A.UpwardSlip() }, ifMatch: read);
        amended.StatusCode.Should().Be(HttpStatusCode.OK, "beside the slip is not in the slip: {0}", await amended.Content.ReadAsStringAsync());
        await draft.Look();
        await draft.Does("submit");

        (await draft.Events()).Should().Equal("drafted", "attachment-added", "note-added", "amended", "submitted");
        var seen = await host.As(draft.Receiver).GetAsync($"/v1/referrals/{draft.Id}/timeline").Json();
        var entries = seen.GetProperty("entries").EnumerateArray().ToArray();
        entries.Select(e => e.GetProperty("event").GetString()).Should().Equal("attachment-added", "submitted");
        entries[0].GetProperty("detail").GetProperty("itemCode").GetString().Should().Be("CT-001");
        entries[0].GetProperty("text").GetString().Should().Contain("头颅CT");
        draft.Last.GetProperty("sequence").GetInt64().Should().Be(1, "partners hear of no draft");
        (await draft.Look()).GetProperty("flags").EnumerateArray().Select(f => f.GetString()).Should().Contain("RECOGNISED_RESULT");
    }

    [Theory]
    [InlineData("Examination", true)]
    [InlineData("Teleconsultation", true)]
    [InlineData("DiagnosticReading", false)]
    [InlineData("Advice", false)]
    public async Task Whatever_brings_the_patient_can_be_an_emergency(string kind, bool can)
    {
        var answer = await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", A.UpwardSlip(change: slip =>
            (slip["kind"], slip["priority"], slip["greenChannel"]) = (kind, "Emergency", "Stroke")));
        answer.StatusCode.Should().Be(can ? HttpStatusCode.Created : HttpStatusCode.BadRequest, await answer.Content.ReadAsStringAsync());
        var referral = await A.Submitted(host, slip => slip["kind"] = kind);
        if (!can)
        {
            await referral.IsRefused("make-emergency", HttpStatusCode.Conflict, "not-this-kind", by: referral.Sender);
            return;
        }
        await referral.Does("make-emergency");
        referral.State.Should().Be("InTransit");
        await referral.Does("arrive");
        referral.Actions.Should().NotContain("make-emergency");
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
