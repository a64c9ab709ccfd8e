using System.Net;
using FluentAssertions;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Moves;

/// <summary>Examined below and diagnosed above (基层检查、上级诊断), and consultations: the report is the outcome.</summary>
[Collection("referral")]
public sealed class ReadingTests(ReferralHost host)
{
    private Task<A> Asked(string kind) => A.Submitted(host, s => s["kind"] = kind);

    [Theory]
    [InlineData("claim")]
    [InlineData("claim accept")]
    public async Task A_reading_ends_with_its_report_and_nobody_travels(string moves)
    {
        var referral = await Asked("DiagnosticReading");
        foreach (var move in moves.Split(' '))
            await referral.Does(move);
        referral.Actions.Should().Contain("report").And.NotContain("arrive").And.NotContain("dispatch");
        await referral.Does("report", new { text = "窦性心律，未见急性缺血改变", recommendation = "ADVICE_ONLY" });
        (referral.State, referral.Last.GetProperty("outcome").GetString()).Should().Be(("Completed", "Reported"));

        var report = await host.As(referral.Sender).GetAsync($"/v1/referrals/{referral.Id}/report").Json();
        report.GetProperty("text").GetString().Should().Be("窦性心律，未见急性缺血改变");
        report.GetProperty("recommendation").GetString().Should().Be("ADVICE_ONLY");
        report.GetProperty("critical").GetBoolean().Should().BeFalse();
        (await host.Database.Query<string>("select verdict from audit where referral_id = @Id and action = 'read-report'", new { referral.Id })).Should().Equal("allowed");
    }

    [Fact]
    public async Task A_critical_value_is_flagged_for_the_sender_at_once()
    {
        var referral = await Asked("DiagnosticReading");
        await referral.Does("claim");
        await referral.Does("report", new { text = "急性前壁心肌梗死", critical = true });
        (await host.As(referral.Sender).GetAsync($"/v1/referrals/{referral.Id}/report").Json()).GetProperty("critical").GetBoolean().Should().BeTrue();
        (await referral.Look()).GetProperty("flags").EnumerateArray().Select(f => f.GetString()).Should().Contain("CRITICAL_VALUE");
        var told = (await host.Database.Query<Guid>("select message_id from history where referral_id = @Id and event = 'reported'", new { referral.Id })).Single();
        await Eventually.Is(async () => (await host.Database.Query<int>("select count(*)::int from outbox where message_id = @told", new { told })).Single() == 0, "the alarm is out", seconds: 5);
    }

    [Fact]
    public async Task An_examination_is_booked_done_and_reported()
    {
        var referral = await Asked("Examination");
        await referral.Does("accept");
        await referral.Booked();
        await referral.Does("arrive", new { identifiedBy = "IdCard" });
        await referral.Does("report");
        referral.Last.GetProperty("outcome").GetString().Should().Be("Reported");
    }

    [Theory]
    [InlineData("Teleconsultation")]
    [InlineData("DiagnosticReading")]
    [InlineData("Advice")]
    public async Task One_call_turns_it_into_a_transfer_that_is_accepted_and_keeps_the_data(string kind)
    {
        var referral = await Asked(kind);
        await referral.Does("claim");
        var transfer = await referral.Creates("convert", new { kind = "InpatientTransfer", department = "03.03", text = "建议住院" });
        (transfer.State, transfer.Last.GetProperty("relation").GetString()).Should().Be(("Accepted", "Conversion"));
        var slip = (await transfer.Look()).GetProperty("slip");
        slip.GetProperty("impression").GetString().Should().Be(ReferralHost.Slip("01")["impression"]!.GetValue<string>());
        var parent = await referral.Look();
        parent.GetProperty("state").GetString().Should().Be("Advised");
        parent.GetProperty("outcome").GetString().Should().Be("Converted");
        parent.GetProperty("linked").GetProperty("referralNo").GetString().Should().Be(transfer.No);
        parent.GetProperty("episodeId").GetGuid().Should().Be(transfer.Last.GetProperty("episodeId").GetGuid());
    }

    [Fact]
    public async Task A_consultation_ends_with_its_report_as_consulted_and_needs_a_known_recommendation()
    {
        var referral = await Asked("Teleconsultation");
        await referral.Does("accept");
        await referral.Does("arrive", new { identifiedBy = "Staff" });
        var problem = await referral.IsRefused("report", HttpStatusCode.UnprocessableEntity, null, new { text = "调整用药", recommendation = "WHATEVER" });
        problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/recommendation");
        await referral.Does("report", new { text = "调整用药，两周后复诊", recommendation = "ADVICE_THEN_REFER_IF_NEEDED" });
        referral.Last.GetProperty("outcome").GetString().Should().Be("Consulted");
    }

    [Fact]
    public async Task Where_no_report_was_filed_and_for_who_does_not_treat_there_is_none()
    {
        var referral = await Asked("DiagnosticReading");
        (await host.As(referral.Sender).GetAsync($"/v1/referrals/{referral.Id}/report")).StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await host.As(referral.Sender, purpose: "OPERATIONS").GetAsync($"/v1/referrals/{referral.Id}/report")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }
}
