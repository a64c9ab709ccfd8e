using System.Net;
using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

[Collection("referral")]
public sealed class PrintSlipTests(ReferralHost host)
{
    [Fact]
    public async Task The_upward_slip_prints_with_its_stub_and_the_papers_own_fields()
    {
        var referral = await A.Submitted(host, slip => slip["patient"] = new JsonObject { ["name"] = "张演示", ["sex"] = "1", ["age"] = 67 });
        var page = await host.As(ReferralHost.Tertiary).GetStringAsync($"/v1/referrals/{referral.Id}/slip");

        page.Should().Contain("双向转诊（转出）单").And.Contain("存　根").And.Contain("张演示").And.Contain("初步印象").And.Contain(referral.No);
        page.Should().NotContain("channel").And.NotContain("CLINIC_WINDOW");
    }

    [Fact]
    public async Task The_downward_slip_prints_what_the_hospital_found_and_advises()
    {
        var child = await (await A.Treated(host)).Returned();
        var page = await host.As(ReferralHost.Township).GetStringAsync($"/v1/referrals/{child.Id}/slip");

        page.Should().Contain("双向转诊（回转）单").And.Contain("诊断结果").And.Contain("治疗经过、下一步治疗方案及康复建议");
    }

    [Fact]
    public async Task What_somebody_typed_is_text_and_never_markup()
    {
        var referral = await A.Submitted(host, slip => slip["impression"] = "<script>alert(1)</script>");
        var page = await host.As(ReferralHost.Tertiary).GetStringAsync($"/v1/referrals/{referral.Id}/slip");

        page.Should().NotContain("<script>").And.Contain("&lt;script&gt;");
    }

    [Fact]
    public async Task Without_a_treatment_purpose_there_is_no_slip()
    {
        var referral = await A.Submitted(host);
        (await host.As(ReferralHost.Tertiary, purpose: "BILLING").GetAsync($"/v1/referrals/{referral.Id}/slip")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await host.As(ReferralHost.Stranger).GetAsync($"/v1/referrals/{referral.Id}/slip")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }
}
