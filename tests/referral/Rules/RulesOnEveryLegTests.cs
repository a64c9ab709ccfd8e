using System.Net;
using System.Net.Http.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Rules;

/// <summary>What follows a submission is judged as well: another target, a question that becomes a transfer, who gives the reasons.</summary>
public sealed class RulesOnEveryLegTests : IAsyncLifetime
{
    private readonly ReferralHost _host = new();

    public Task InitializeAsync() => _host.InitializeAsync();

    public Task DisposeAsync() => _host.DisposeAsync();

    // severe hypertension is for a hospital, whichever; a township centre stands below
    private static readonly Action<JsonObject> Severe = slip =>
    {
        slip["diagnosis"] = new JsonObject { ["code"] = "I10.x00" };
        slip["indications"] = new JsonArray("HTN_UP_EMERGENCY");
        slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
    };

    private static object To(string institution, object? @override = null) =>
        new { institution, reason = "NEARER", patientAgrees = true, @override };

    private async Task<string[]> Flags(Guid id) => (await _host.Database.Query<string[]>("select flags from referral where id = @id", new { id })).Single();

    [Fact]
    public async Task A_redirect_below_the_level_an_indication_needs_says_why_and_keeps_both_reasons()
    {
        var referral = await A.Submitted(_host, Severe, ReferralHost.County);
        var problem = await referral.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "rule-warning", To(ReferralHost.OtherTownship));
        problem.GetProperty("warnings")[0].GetString().Should().Be("RECEIVING_TIER_TOO_LOW");
        await referral.Does("redirect", To(ReferralHost.OtherTownship, new { reason = "OTHER", text = "该院专家今日在此坐诊" }));
        var row = (await _host.Database.Query<(string Reason, string Detail)>("select reason, detail::text from history where referral_id = @Id and event = 'redirected'", new { referral.Id })).Single();
        row.Reason.Should().Be("NEARER");
        row.Detail.Should().Contain("\"overrideReason\": \"OTHER\"").And.Contain("RECEIVING_TIER_TOO_LOW hypertension@1");
        (await Flags(referral.Id)).Should().Contain("RECEIVING_TIER_TOO_LOW");
        // sent on to a hospital the level is no longer wrong
        (await referral.Tries("redirect", new { institution = ReferralHost.Tertiary, reason = "HIGHER_LEVEL_NEEDED", patientAgrees = true }, by: ReferralHost.OtherTownship))
            .StatusCode.Should().Be(HttpStatusCode.OK);
        (await Flags(referral.Id)).Should().NotContain("RECEIVING_TIER_TOO_LOW");
    }

    [Fact]
    public async Task What_was_overridden_of_the_illness_is_not_asked_again()
    {
        var referral = await A.Submitted(_host, slip =>
        {
            slip["diagnosis"] = new JsonObject { ["code"] = "J06.900" };
            slip.Remove("indications");
            slip["override"] = new JsonObject { ["reason"] = "PATIENT_REQUEST" };
        }, ReferralHost.County);
        await referral.Redirected(ReferralHost.Tertiary);
        (await Flags(referral.Id)).Should().Contain("IN_CATALOGUE_NO_INDICATION");
    }

    [Fact]
    public async Task A_question_about_a_cold_becomes_a_transfer_with_a_reason_only()
    {
        var referral = await A.Submitted(_host, slip =>
        {
            (slip["kind"], slip["diagnosis"]) = ("Advice", new JsonObject { ["code"] = "J06.900" });
            slip.Remove("indications");
        }, ReferralHost.County);
        await referral.Does("claim");
        await referral.IsRefused("convert", HttpStatusCode.UnprocessableEntity, "rule-warning", new { kind = "OutpatientTransfer", department = "03.03" });
        var transfer = await referral.Creates("convert", new { kind = "OutpatientTransfer", department = "03.03", @override = new { reason = "OTHER", text = "高热不退" } });
        transfer.State.Should().Be("Accepted");
        (await Flags(transfer.Id)).Should().Contain("IN_CATALOGUE_NO_INDICATION");
    }

    [Fact]
    public async Task Downward_never_goes_up_a_level()
    {
        var slip = A.DownwardSlip(s =>
        {
            s["patient"] = A.UpwardSlip()["patient"]!.DeepClone();
            s["to"] = new JsonObject { ["institution"] = ReferralHost.Tertiary };
            s["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        });
        var answer = await _host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", slip);
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/to/institution");
        var returned = await (await A.Treated(_host)).Returned();
        await returned.IsRefused("redirect", HttpStatusCode.UnprocessableEntity, "target-already-tried", To(ReferralHost.Township));
    }

    [Fact]
    public async Task A_purpose_that_needs_words_has_them()
    {
        JsonObject Slip(string? words) => A.UpwardSlip(ReferralHost.County, slip =>
        {
            slip["purposes"] = new JsonArray("OTHER");
            slip["purposeText"] = words;
        });
        var refused = await _host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", Slip(null));
        refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await refused.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/purposeText");
        (await _host.As(ReferralHost.Township).Command("/v1/referrals?submit=true", Slip("家属要求会诊"))).StatusCode.Should().Be(HttpStatusCode.Created);
    }

    [Fact]
    public async Task A_reason_for_heads_only_is_a_heads_in_a_linked_referral_too()
    {
        var put = new HttpRequestMessage(HttpMethod.Put, "/v1/reason-codes/RuleOverride/NO_LOCAL_MEANS")
        {
            Content = JsonContent.Create(new { side = "Either", textRequired = false, nameZh = "本机构无相应条件", nameEn = "No means here", roles = new[] { "Head" } }),
        };
        put.Headers.TryAddWithoutValidation("If-Match", "*");
        var stored = await _host.As(ReferralHost.County, "Operator").SendAsync(put);
        stored.StatusCode.Should().Be(HttpStatusCode.OK, await stored.Content.ReadAsStringAsync());

        var parent = await A.Arrived(_host);
        var slip = A.UpwardSlip(ReferralHost.County, s =>
        {
            s.Remove("patient");
            s.Remove("indications");
            (s["diagnosis"], s["referrer"]) = (new JsonObject { ["code"] = "J06.900" }, new JsonObject { ["doctor"] = "dr-0001" });
            s["override"] = new JsonObject { ["reason"] = "NO_LOCAL_MEANS" };
        });
        await parent.IsRefused("refer-onward", HttpStatusCode.UnprocessableEntity, "rule-broken", new { slip });
        (await parent.Tries("refer-onward", new { slip }, role: "Head")).StatusCode.Should().Be(HttpStatusCode.OK);
    }
}
