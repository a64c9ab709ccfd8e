using System.Net;
using System.Text.Json;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

/// <summary>Every refusal and every expiry offers a one-call next step: the same case, to somebody else.</summary>
[Collection("referral")]
public sealed class ReferAgainTests(ReferralHost host)
{
    private static object Elsewhere(string institution = ReferralHost.County, bool? patientAgrees = true) =>
        new { institution, department = "03.03", patientAgrees };

    private async Task<A> Declined(string reason = "NO_CAPACITY") => await (await A.Submitted(host)).Does("decline", new { reason });

    private static string[] Candidates(JsonElement answer) =>
        [.. answer.GetProperty("candidates").EnumerateArray().Select(c => c.GetProperty("institution").GetString()!)];

    private async Task<JsonElement> Offered(A referral, string by, string role = "Clinician") =>
        await host.As(by, role).GetAsync($"/v1/referrals/{referral.Id}/available-actions").Json();

    [Fact]
    public async Task A_declined_referral_goes_elsewhere_in_one_call_with_everything_that_was_written()
    {
        var declined = await Declined();
        var offered = await Offered(declined, declined.Sender);
        offered.GetProperty("actions").EnumerateArray().Select(a => a.GetString()).Should().Contain("refer-again");
        Candidates(offered).Should().Contain(ReferralHost.County).And.NotContain(declined.Receiver).And.NotContain(declined.Sender);
        Candidates(declined.Last).Should().Equal(Candidates(offered), "the answer to the refusal names them as well");

        var next = await declined.Creates("refer-again", Elsewhere(), by: declined.Sender);
        (next.State, next.Sender, next.Receiver).Should().Be(("Submitted", declined.Sender, ReferralHost.County));
        var (before, after) = (await declined.Look(), await next.Look());
        after.GetProperty("episodeId").GetGuid().Should().Be(before.GetProperty("episodeId").GetGuid());
        after.GetProperty("slip").GetProperty("presentIllness").GetString().Should().Be(before.GetProperty("slip").GetProperty("presentIllness").GetString());
        after.GetProperty("identity").GetRawText().Should().Be(before.GetProperty("identity").GetRawText());
        before.GetProperty("state").GetString().Should().Be("Declined", "what ended is never reopened");
        before.GetProperty("linked").GetProperty("referralNo").GetString().Should().Be(next.No);
        after.GetProperty("parentNo").GetString().Should().Be(declined.No);
        (await declined.Events())[^2..].Should().Equal("declined", "re-referred");

        (await host.As(declined.Receiver).GetAsync($"/v1/referrals/{next.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound, "who refused has no part in the next one");

        await next.Does("accept");
        (await declined.Look()).GetProperty("state").GetString().Should().Be("Declined");
    }

    [Fact]
    public async Task An_expired_referral_offers_the_same_step()
    {
        var expired = await A.Submitted(host);
        await host.Pass(TimeSpan.FromHours(49));
        (await expired.Look()).GetProperty("state").GetString().Should().Be("Expired");
        Candidates(await Offered(expired, expired.Sender)).Should().NotBeEmpty().And.NotContain(expired.Receiver);
        var next = await expired.Creates("refer-again", Elsewhere(), by: expired.Sender);
        next.State.Should().Be("Submitted");
    }

    [Fact]
    public async Task A_move_that_comes_too_late_is_told_the_way_on()
    {
        var declined = await Declined();
        var problem = await declined.IsRefused("cancel", HttpStatusCode.Conflict, "not-in-this-state");
        problem.GetProperty("availableActions").EnumerateArray().Select(a => a.GetString()).Should().Contain("refer-again");
        Candidates(problem).Should().Contain(ReferralHost.County);
    }

    [Fact]
    public async Task It_is_done_once_and_a_second_call_is_told_where_it_went()
    {
        var declined = await Declined();
        var key = Guid.NewGuid().ToString();
        var first = await declined.Tries("refer-again", Elsewhere(), by: declined.Sender, key: key);
        var again = await declined.Tries("refer-again", Elsewhere(), by: declined.Sender, key: key);
        (await again.Content.ReadAsStringAsync()).Should().Be(await first.Content.ReadAsStringAsync(), "a repetition is the same call");
        var second = await declined.IsRefused("refer-again", HttpStatusCode.Conflict, "referred-again", Elsewhere(), by: declined.Sender);
        second.GetProperty("linkedNo").GetString().Should().Be((await first.Json()).GetProperty("linked")[0].GetProperty("referralNo").GetString());
        (await Offered(declined, declined.Sender)).GetProperty("actions").GetRawText().Should().NotContain("refer-again");
    }

    [Fact]
    public async Task Of_eight_at_once_one_creates_a_referral()
    {
        var declined = await Declined();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i =>
            declined.Tries("refer-again", Elsewhere(), by: declined.Sender, subject: "dr-" + i)));
        answers.Select(a => a.StatusCode).Order().Should().Equal([HttpStatusCode.OK, .. Enumerable.Repeat(HttpStatusCode.Conflict, 7)]);
        (await host.Database.Query<long>("select count(*) from referral where episode_id = (select episode_id from referral where id = @Id)", new { declined.Id }))
            .Single().Should().Be(2);
    }

    [Fact]
    public async Task Whoever_refused_is_not_asked_again_but_for_a_mended_slip()
    {
        var declined = await Declined("INSUFFICIENT_INFO");
        await declined.IsRefused("refer-again", HttpStatusCode.UnprocessableEntity, "target-already-tried", Elsewhere(ReferralHost.Tertiary), by: declined.Sender);
        await declined.IsRefused("refer-again", HttpStatusCode.UnprocessableEntity, "rule-broken", new { patientAgrees = true }, by: declined.Sender);
        var slip = A.UpwardSlip(change: s =>
        {
            s.Remove("patient");
            s.Remove("to");
            s["presentIllness"] = "补充：头颅CT未见出血";
        });
        var mended = await declined.Creates("refer-again", new { slip }, by: declined.Sender);
        mended.Receiver.Should().Be(ReferralHost.Tertiary);
        mended.Last.GetProperty("slip").GetProperty("presentIllness").GetString().Should().StartWith("补充");

        await mended.Does("decline");
        var elsewhere = await mended.Creates("refer-again", Elsewhere(), by: mended.Sender);
        await elsewhere.Does("decline");
        await elsewhere.IsRefused("refer-again", HttpStatusCode.UnprocessableEntity, "target-already-tried", Elsewhere(ReferralHost.Tertiary), by: elsewhere.Sender);
    }

    [Fact]
    public async Task The_patient_is_asked_about_another_hospital()
    {
        var declined = await Declined();
        var problem = await declined.IsRefused("refer-again", HttpStatusCode.UnprocessableEntity, "rule-broken", Elsewhere(patientAgrees: null), by: declined.Sender);
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/patientAgrees");
        await declined.IsRefused("refer-again", HttpStatusCode.Forbidden, "forbidden", Elsewhere(), by: declined.Receiver);
    }

    [Fact]
    public async Task A_cancelled_one_is_mended_and_goes_to_the_same_hospital()
    {
        var cancelled = await (await A.Submitted(host)).Does("cancel", new { reason = "FORM_ERROR" });
        var next = await cancelled.Creates("refer-again", new { }, by: cancelled.Sender);
        (next.State, next.Receiver).Should().Be(("Submitted", cancelled.Receiver));
    }

    [Theory]
    [InlineData("DIED"), InlineData("WRONG_PATIENT")]
    public async Task Nobody_who_died_and_nobody_who_was_the_wrong_person_is_referred_again(string reason)
    {
        var ended = await (await A.Submitted(host)).Does("close", new { reason });
        (await Offered(ended, ended.Sender)).GetProperty("actions").GetRawText().Should().NotContain("refer-again");
        await ended.IsRefused("refer-again", HttpStatusCode.Conflict, "not-in-this-state", Elsewhere(), by: ended.Sender);
    }

    [Fact]
    public async Task No_discarded_draft_is_referred_again()
    {
        var draft = await (await A.Drafted(host)).Does("discard");
        (await draft.Tries("refer-again", Elsewhere(), by: draft.Sender)).StatusCode.Should().Be(HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task A_way_back_that_was_declined_goes_to_another_clinic_and_still_closes_the_loop()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        await down.Does("decline", new { reason = "BED_FULL" });
        (await up.Look()).GetProperty("state").GetString().Should().Be("Treated");
        var next = await down.Creates("refer-again", new { institution = ReferralHost.OtherTownship, patientAgrees = true }, by: down.Sender);
        (await up.Events())[^1].Should().Be("return-initiated");
        next.Last.GetProperty("parentNo").GetString().Should().Be(up.No);
        await next.Does("accept", new { department = "02" });
        await next.Does("arrive", new { identifiedBy = "Slip" });
        var closed = await up.Look();
        (closed.GetProperty("state").GetString(), closed.GetProperty("outcome").GetString()).Should().Be(("Completed", "Returned"));
    }
}
