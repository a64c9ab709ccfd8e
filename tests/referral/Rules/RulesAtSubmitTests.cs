using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Rules;

/// <summary>A warned referral goes with a reason and is counted, on every way out of an institution.</summary>
[Collection("referral")]
public sealed class RulesAtSubmitTests(ReferralHost host)
{
    // a common cold, nothing ticked, to the county hospital: one level up
    private static void Cold(JsonObject slip)
    {
        slip["diagnosis"] = new JsonObject { ["code"] = "J06.900" };
        slip["to"] = new JsonObject { ["institution"] = ReferralHost.County, ["department"] = "03.01" };
        slip.Remove("indications");
        slip.Remove("measures");
    }

    private static Action<JsonObject> ColdWith(string reason, string? text = null) => slip =>
    {
        Cold(slip);
        slip["override"] = new JsonObject { ["reason"] = reason, ["text"] = text };
    };

    [Fact]
    public async Task Without_a_reason_it_is_refused_and_says_why_in_Chinese()
    {
        var client = host.As(ReferralHost.Township);
        client.DefaultRequestHeaders.Add("Accept-Language", "zh-CN");
        var answer = await client.Command("/v1/referrals?submit=true", A.UpwardSlip(ReferralHost.County, Cold));
        var problem = await answer.Json();
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        problem.GetProperty("code").GetString().Should().Be("rule-warning");
        problem.GetProperty("detail").GetString().Should().Contain("属基层首诊病种，未见上转指征");
        problem.GetProperty("warnings")[0].GetString().Should().Be("IN_CATALOGUE_NO_INDICATION");
        problem.GetProperty("allowed").EnumerateArray().Select(c => c.GetString()).Should().Contain("PATIENT_REQUEST");
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/override");
    }

    [Fact]
    public async Task With_a_reason_it_goes_and_the_flag_stands_on_row_event_and_history()
    {
        var referral = await A.Submitted(host, ColdWith("PATIENT_REQUEST"), ReferralHost.County);
        await Flagged(referral.Id, "PATIENT_REQUEST");
        (await referral.Look()).GetProperty("flags").EnumerateArray().Select(f => f.GetString()).Should().Contain("IN_CATALOGUE_NO_INDICATION");
    }

    [Theory]
    [InlineData("NOT_A_CODE", null, "/override/reason")]
    [InlineData("OTHER", null, "/override/text")]
    public async Task The_reason_must_be_of_the_list_and_explained_where_the_list_says_so(string reason, string? text, string pointer)
    {
        var answer = await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", A.UpwardSlip(ReferralHost.County, ColdWith(reason, text)));
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer);
    }

    [Fact]
    public async Task A_draft_may_be_written_and_is_judged_when_it_leaves()
    {
        var draft = await A.Drafted(host, Cold);
        await draft.IsRefused("submit", HttpStatusCode.UnprocessableEntity, "rule-warning");
        await draft.Does("submit", new { @override = new { reason = "KNOWN_AT_TARGET" } });
        await Flagged(draft.Id, "KNOWN_AT_TARGET");
    }

    [Fact]
    public async Task An_amended_draft_is_judged_by_what_it_says_now()
    {
        var draft = await A.Drafted(host);
        await draft.Does("amend", new { slip = A.UpwardSlip(ReferralHost.County, Cold) });
        await draft.IsRefused("submit", HttpStatusCode.UnprocessableEntity, "rule-warning");
        await draft.Does("amend", new
        {
            slip = A.UpwardSlip(ReferralHost.County, s =>
            {
                Cold(s);
                s["indications"] = new JsonArray("URI_UP_FEVER");
            }),
        });
        await draft.Does("submit");
        (await Flags(draft.Id)).Should().NotContain("IN_CATALOGUE_NO_INDICATION");
    }

    [Fact]
    public async Task An_approver_signs_no_warned_referral_without_a_reason()
    {
        var draft = await A.Drafted(host, Cold);
        await draft.Does("send-for-review");
        await draft.IsRefused("approve", HttpStatusCode.UnprocessableEntity, "rule-warning", role: "Head", subject: "dr-head");
        var reasoned = await A.Drafted(host, ColdWith("PATIENT_REQUEST"));
        await reasoned.Does("send-for-review");
        await reasoned.Does("approve");
        await Flagged(reasoned.Id, "PATIENT_REQUEST");
    }

    [Theory]
    [InlineData("re-refer")]
    [InlineData("refer-onward")]
    public async Task A_linked_referral_is_judged_like_any_other(string verb)
    {
        var parent = verb == "re-refer" ? await A.ReturnedAndArrived(host) : await A.Arrived(host);
        var slip = A.UpwardSlip(change: s =>
        {
            Cold(s);
            s.Remove("patient");
            s["referrer"] = new JsonObject { ["doctor"] = "dr-0001" };
        });
        await parent.IsRefused(verb, HttpStatusCode.UnprocessableEntity, "rule-warning", new { slip });
        slip["override"] = new JsonObject { ["reason"] = "CLINICAL_JUDGEMENT", ["text"] = "老年体弱" };
        var child = await parent.Creates(verb, new { slip });
        await Flagged(child.Id, "CLINICAL_JUDGEMENT");
    }

    [Fact]
    public async Task What_is_typed_in_afterwards_is_counted_and_not_held_up()
    {
        var referral = await A.TypedInAfterwards(host, s =>
        {
            s["diagnosis"] = new JsonObject { ["code"] = "J06.900" };
            s.Remove("indications");
        });
        (await Flags(referral.Id)).Should().Contain("IN_CATALOGUE_NO_INDICATION");
    }

    [Fact]
    public async Task An_emergency_waits_for_no_rule()
    {
        var referral = await A.Submitted(host, s =>
        {
            Cold(s);
            s["kind"] = "InpatientTransfer";
            (s["priority"], s["greenChannel"]) = ("Emergency", "ChestPain");
        }, ReferralHost.County);
        referral.State.Should().Be("InTransit");
        (await Flags(referral.Id)).Should().NotContain("IN_CATALOGUE_NO_INDICATION");
    }

    [Fact]
    public async Task An_indication_that_no_pack_knows_is_a_mistake_of_the_form()
    {
        var answer = await host.As(ReferralHost.Township).Command("/v1/referrals", A.UpwardSlip(ReferralHost.County, s => s["indications"] = new JsonArray("HTN_UP_STROKE_SIGNS", "HTN_UP_WISH")));
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/indications/1");
    }

    [Fact]
    public async Task The_paper_slips_own_fields_are_enough()
    {
        var slip = ReferralHost.Slip("00");
        slip.ContainsKey("diagnosis").Should().BeFalse();
        (await host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", slip)).StatusCode.Should().Be(HttpStatusCode.Created);
    }

    private async Task Flagged(Guid id, string reason)
    {
        (await Flags(id)).Should().Contain("IN_CATALOGUE_NO_INDICATION");
        var submitted = (await host.Database.Query<(string Reason, string Detail)>(
            "select reason, detail::text from history where referral_id = @id and event = 'submitted'", new { id })).Single();
        submitted.Reason.Should().Be(reason);
        submitted.Detail.Should().Contain("IN_CATALOGUE_NO_INDICATION upper-respiratory-infection@1");
    }

    private async Task<string[]> Flags(Guid id) => (await host.Database.Query<string[]>("select flags from referral where id = @id", new { id })).Single();
}
