using System.Text.Json.Nodes;
using FluentAssertions;
using TestKit;
using Xunit;
using static ReferralService.Tests.Notices.TellingHost;

namespace ReferralService.Tests.Notices;

/// <summary>What a patient hears of the end of a referral, and where silence is better.</summary>
public sealed class NoticesOfTheEndTests(TellingHost host) : IClassFixture<TellingHost>
{
    [Fact]
    public async Task Who_need_not_come_any_more_hears_it_and_of_a_death_or_a_mistake_nobody_is_told()
    {
        await using var requests = await Requests.Of(host);
        foreach (var silent in new[] { "DIED", "WRONG_PATIENT", "ENTERED_IN_ERROR" })
        {
            var referral = await A.Scheduled(host, Reachable);
            var scheduled = await requests.Next("scheduled", referral);
            await referral.Does("close", new { reason = silent });
            var silence = await requests.Silence(referral);
            silence.Sequence.Should().BeGreaterThan(scheduled.Sequence!.Value, "what was to be told before is dropped");
            // a notification service that knows nothing of it has the text, finds it expired and tells nobody
            (silence.Notice, silence.Place, silence.StartsAt).Should().Be(("cancelled", "", null));
            silence.ExpiresAt.Should().BeBefore(host.Clock.GetUtcNow().AddDays(-1));
            (await Readings(referral)).Should().Be(requests.Told(referral).Count(), "nobody's number is read for silence");
        }
        var advised = await (await A.Submitted(host, Reachable)).Does("advise");
        var closed = await (await A.Scheduled(host, Reachable)).Does("close", new { reason = "OTHER_HOSPITAL" });
        await requests.Next("advised", advised);
        await requests.Next("closed", closed);
        requests.Heard.Count(h => h.Notice.Notice == "closed").Should().Be(1);
    }

    [Theory]
    [InlineData(false, "cancel", null)]
    [InlineData(false, "close", null)]
    [InlineData(true, "confirm-cancellation", "cancelled")]
    [InlineData(true, "close", "closed")]
    public async Task Of_a_duplicate_the_other_referral_speaks_but_an_appointment_that_falls_away_with_it_is_told(bool booked, string verb, string? told)
    {
        await using var requests = await Requests.Of(host);
        var referral = await (booked ? A.Scheduled(host, Reachable) : A.Submitted(host, Reachable));
        if (verb == "confirm-cancellation")
            await referral.Does("request-cancellation", new { reason = "DUPLICATE" });
        await referral.Does(verb, verb == "confirm-cancellation" ? null : new { reason = "DUPLICATE", replacedBy = verb == "close" ? (await A.Submitted(host)).No : null });
        if (told is null)
            await requests.Silence(referral);
        else
            await requests.Next(told, referral);
        requests.Told(referral).Where(notice => notice is "closed" or "cancelled").Should().Equal(told is null ? [] : [told]);
    }

    [Fact]
    public async Task Of_a_return_that_ends_because_the_patient_went_on_to_another_hospital_the_patient_hears()
    {
        await using var requests = await Requests.Of(host);
        var parent = await A.Submitted(host, Reachable, ReferralHost.County);
        await parent.Does("accept", new { department = "03.03" });
        await parent.Does("arrive");
        await parent.Does("complete-treatment");
        static void ByWhoeverActs(JsonObject slip) => slip["referrer"] = new JsonObject { ["doctor"] = "dr-test" };
        var child = await parent.Returned(ByWhoeverActs);
        await requests.Next("return-initiated", parent);
        var onward = await parent.Creates("refer-onward", new
        {
            slip = A.UpwardSlip(change: slip =>
            {
                slip.Remove("patient");
                ByWhoeverActs(slip);
            }),
        });
        await onward.Does("accept");
        await requests.Next("closed", child);
        (await parent.Look()).GetProperty("outcome").GetString().Should().Be("TransferredOn");
        (await child.Look()).GetProperty("state").GetString().Should().Be("Closed", "a final parent has no live child");
        requests.Told(parent).Should().NotContain(["closed", "completed"], "where it goes on, the next one speaks");
    }

    [Fact]
    public async Task Who_can_no_longer_be_reached_when_it_ends_is_not_told_what_still_waits_either()
    {
        await using var requests = await Requests.Of(host);
        static JsonObject With(string? phone) => new() { ["name"] = Name, ["sex"] = "1", ["birthDate"] = "1960-03-02", ["phone"] = phone };
        var referral = await A.Scheduled(host, slip => slip["patient"] = With(Phone));
        var scheduled = await requests.Next("scheduled", referral);
        (await host.As(ReferralHost.Township).Command($"/v1/referrals/{referral.Id}/patient-corrections", new { patient = With(null) }, "*"))
            .StatusCode.Should().Be(System.Net.HttpStatusCode.OK);
        await referral.Does("close", new { reason = "OTHER_HOSPITAL" });
        (await requests.Silence(referral)).Sequence.Should().BeGreaterThan(scheduled.Sequence!.Value);
        requests.Told(referral).Should().NotContain("closed");
        (await Readings(referral)).Should().Be(requests.Told(referral).Count(), "a number that is not there is not read");
    }

    [Theory]
    [InlineData("close", "WRONG_PATIENT", null)]
    [InlineData("close", "DIED", null)]
    [InlineData("close", "DUPLICATE", null)]
    [InlineData("close", "ENTERED_IN_ERROR", null)]
    [InlineData("close", "OTHER_HOSPITAL", "closed")]
    [InlineData("complete-without-return", "CURED", "completed")]
    public async Task Of_a_return_that_ends_with_its_parent_nothing_is_told_beside_what_the_parent_says(string verb, string reason, string? told)
    {
        await using var requests = await Requests.Of(host);
        var parent = await (await A.Arrived(host, Reachable)).Does("complete-treatment");
        var child = await parent.Returned();
        await parent.Does(verb, new { reason, replacedBy = reason == "DUPLICATE" ? (await A.Submitted(host)).No : null });
        await requests.Silence(child);
        if (told is null)
            await requests.Silence(parent);
        else
            await requests.Next(told, parent);
        requests.Told(parent, child).Where(notice => notice is "closed" or "completed" or "cancelled").Should().Equal(told is null ? [] : [told]);
        (await child.Look()).GetProperty("state").GetString().Should().Be("Closed");
        (await host.Database.Query<string>("select reason from referral where id = @Id", new { child.Id })).Single()
            .Should().Be(told is null ? reason : "CONDITION_CHANGED", "who was the wrong person is so below, too");
    }

    [Fact]
    public async Task A_return_that_is_closed_on_its_own_is_told()
    {
        await using var requests = await Requests.Of(host);
        var child = await (await (await A.Arrived(host, Reachable)).Does("complete-treatment")).Returned();
        await child.Does("close", new { reason = "OTHER_HOSPITAL" });
        await requests.Next("closed", child);
    }

    [Fact]
    public async Task Of_what_was_entered_in_error_nothing_is_told_any_more_and_an_end_without_words_needs_no_number()
    {
        await using var requests = await Requests.Of(host);
        var mistaken = await A.Scheduled(host, Reachable);
        await requests.Next("scheduled", mistaken);
        await mistaken.Does("mark-in-error");
        var silence = await requests.Silence(mistaken);
        await mistaken.Does("close", new { reason = "OTHER_HOSPITAL" });
        var unreachable = await (await A.Scheduled(host)).Does("close", new { reason = "DIED" });
        await requests.Silence(unreachable);
        await requests.Silence(mistaken, after: silence.Sequence!.Value);
        requests.Told(mistaken).Should().NotContain("closed");
    }

    private async Task<long> Readings(A referral) =>
        (await host.Database.Query<long>("select count(*) from audit where action = 'notify-patient' and referral_id = @Id", new { referral.Id })).Single();
}
