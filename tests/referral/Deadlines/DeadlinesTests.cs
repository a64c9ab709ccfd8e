using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Deadlines;
using ReferralService.Indicators;
using ReferralService.Tests.Indicators;
using ReferralService.Workflow;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Deadlines;

/// <summary>Deadlines from end to end: the clock jumps, the sweeper fires, the row and its history show it.</summary>
[Collection("referral")]
public sealed class DeadlinesTests(ReferralHost host)
{
    private static string? Next(JsonElement view) =>
        view.TryGetProperty("nextDeadline", out var next) && next.ValueKind == JsonValueKind.Object ? next.GetProperty("timer").GetString() : null;

    [Fact]
    public async Task A_claim_nobody_works_on_goes_back_after_a_quarter_of_an_hour()
    {
        var referral = await (await A.Submitted(host)).Does("claim");
        await host.Pass(TimeSpan.FromMinutes(10));
        await referral.Does("note");
        await host.Pass(TimeSpan.FromMinutes(10));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("InTriage", "the note of the claimant held it");
        await host.Pass(TimeSpan.FromMinutes(6));
        await referral.Look();
        referral.State.Should().Be("Submitted");
        (await referral.Events()).Should().EndWith("released");
    }

    [Fact]
    public async Task A_referral_nobody_answers_warns_urges_and_expires()
    {
        var referral = await A.Submitted(host, slip => slip["priority"] = "Routine");
        await host.Pass(TimeSpan.FromHours(2.1));
        (await referral.Events()).Should().Equal("submitted", "deadline-warning");
        await host.Pass(TimeSpan.FromHours(22));
        (await referral.Events()).Should().Equal("submitted", "deadline-warning", "deadline-missed", "deadline-missed");
        await host.Pass(TimeSpan.FromHours(24));
        var view = await referral.Look();
        view.GetProperty("state").GetString().Should().Be("Expired");
        Next(view).Should().BeNull();
        (await referral.Events()).Count(e => e == "expired").Should().Be(1);
        (await referral.Events())[4..^1].Should().OnlyContain(e => e == "escalated").And.NotBeEmpty();
    }

    [Fact]
    public async Task An_emergency_without_an_agreement_urges_for_days_and_never_expires()
    {
        var referral = await A.Submitted(host, slip => (slip["priority"], slip["greenChannel"]) = ("Emergency", "Obstetric"));
        referral.State.Should().Be("Submitted");
        await host.Pass(TimeSpan.FromMinutes(16));
        (await referral.Events()).Should().Contain("deadline-missed");
        for (var i = 0; i < 5; i++)
            await host.Pass(TimeSpan.FromHours(2));
        var urged = (await referral.Events()).Count(e => e == "escalated");
        urged.Should().BeGreaterThan(5);
        await host.Pass(TimeSpan.FromDays(3));
        await referral.Look();
        referral.State.Should().Be("Submitted");
        (await referral.Events()).Count(e => e == "escalated").Should().BeLessThan(urged + 4, "urges that are late together are told once");
        await referral.Does("acknowledge");
        await referral.Does("arrive", new { });
    }

    [Fact]
    public async Task A_question_nobody_answers_expires_after_a_week()
    {
        var referral = await (await A.Submitted(host)).Does("request-information");
        await host.Pass(TimeSpan.FromDays(6.9));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("InformationRequested", "triage stands still meanwhile");
        await host.Pass(TimeSpan.FromHours(3));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Expired");
    }

    [Fact]
    public async Task Who_does_not_come_is_missed_after_half_an_hour_and_given_up_after_a_week()
    {
        var referral = await A.Scheduled(host);
        await host.Pass(TimeSpan.FromHours(23));
        await host.Pass(TimeSpan.FromHours(1.5));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Scheduled");
        await host.Pass(TimeSpan.FromMinutes(45));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("NoShow");
        (await referral.Events()).Should().Equal("submitted", "accepted", "scheduled", "deadline-warning", "no-show");
        await host.Pass(TimeSpan.FromDays(7.1));
        var view = await referral.Look();
        view.GetProperty("state").GetString().Should().Be("Closed");
        view.GetProperty("reason").GetString().Should().Be("NO_SHOW");
    }

    [Fact]
    public async Task A_bed_is_let_go_two_days_after_the_patient_was_expected()
    {
        var referral = await A.Accepted(host, slip => slip["kind"] = "InpatientTransfer");
        await host.SchedulingSays(SchedulingEvents.Booked, new()
        {
            ReferralId = referral.Id, ReferralNo = referral.No, Leg = 1, Attempt = 1, BookingId = Guid.NewGuid(), Institution = referral.Receiver,
            Department = "03.03", Resource = "Bed", StartsAt = host.Clock.GetUtcNow().AddDays(1), EndsAt = host.Clock.GetUtcNow().AddDays(8),
        });
        await referral.Reaches("Scheduled");
        await host.Pass(TimeSpan.FromDays(2.9));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Scheduled");
        await host.Pass(TimeSpan.FromHours(3));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("Accepted");
        (await referral.Events()).Should().EndWith("booking-cancelled");
    }

    [Fact]
    public async Task A_cancellation_confirms_itself_after_a_day()
    {
        var referral = await (await A.Accepted(host)).Does("request-cancellation");
        await host.Pass(TimeSpan.FromHours(24.1));
        var view = await referral.Look();
        view.GetProperty("state").GetString().Should().Be("Cancelled");
        view.GetProperty("reason").GetString().Should().Be("PATIENT_WITHDRAW");
    }

    [Fact]
    public async Task A_cancellation_of_a_patient_on_the_road_waits_for_the_receiver()
    {
        var referral = await (await A.Scheduled(host)).Does("dispatch", new { transport = "Family", expectedArrival = host.Clock.GetUtcNow().AddDays(2) });
        await referral.Does("request-cancellation");
        await host.Pass(TimeSpan.FromHours(25));
        (await referral.Look()).GetProperty("state").GetString().Should().Be("CancellationRequested");
        (await referral.Events()).Should().EndWith("deadline-missed");
        await referral.Does("confirm-cancellation");
        referral.State.Should().Be("Cancelled");
    }

    [Fact]
    public async Task A_follow_up_that_does_not_happen_is_told_again_and_again()
    {
        var down = await A.ReturnedAndArrived(host);
        await host.Pass(TimeSpan.FromDays(7.1));
        (await down.Events()).Should().EndWith("follow-up-overdue");
        await host.Pass(TimeSpan.FromDays(2));
        (await down.Events()).Should().EndWith("escalated");
        await down.Does("follow-up", new { way = "Home", text = "稳定", nextDueOn = ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(3) });
        Next(await down.Look()).Should().Be("FollowUpDue");
    }

    [Fact]
    public async Task Who_waits_too_long_is_told_of_once_a_step_and_other_hospitals_are_offered()
    {
        var referral = await A.Accepted(host, slip => slip["priority"] = "Routine");
        await referral.Hears(SchedulingEvents.NoCapacity, attempt: 1);
        await referral.Reaches("Waitlisted");
        var before = await referral.Events();
        await host.Pass(TimeSpan.FromDays(2.9));
        (await referral.Events()).Should().Equal(before);
        await host.Pass(TimeSpan.FromDays(0.2));
        (await referral.Events()).Should().Equal([.. before, "deadline-missed"]);
        await host.Pass(TimeSpan.FromDays(1));
        (await referral.Events()).Should().Equal([.. before, "deadline-missed", "escalated"]);

        var offered = await host.As(referral.Sender).GetAsync($"/v1/referrals/{referral.Id}/available-actions").Json();
        offered.GetProperty("actions").EnumerateArray().Select(a => a.GetString()).Should().Contain("redirect");
        offered.GetProperty("candidates").EnumerateArray().Select(c => c.GetProperty("institution").GetString())
            .Should().Contain(ReferralHost.County).And.NotContain([referral.Sender, referral.Receiver]);
    }

    [Fact]
    public async Task Who_is_not_reached_three_times_in_a_row_is_told_to_the_coordinator_at_once_and_stays_due()
    {
        var down = await A.ReturnedAndArrived(host);
        var due = down.Last.GetProperty("nextDeadline").GetProperty("dueAt").GetDateTimeOffset();
        object Nobody() => new { way = "Phone", text = "无人接听", unreachable = true };
        for (var i = 1; i <= 2; i++)
        {
            await down.Does("follow-up", Nobody());
            down.State.Should().Be("Arrived", "no follow-up has happened");
            (await down.Events()).Should().EndWith("follow-up-recorded");
        }
        await down.Does("follow-up", Nobody());
        (await down.Events())[^2..].Should().Equal("follow-up-recorded", "escalated");
        (await Missed()).Should().BeEmpty("no deadline has passed");
        var view = await down.Look();
        view.GetProperty("followUps").GetProperty("number").GetInt32().Should().Be(0);
        view.GetProperty("followUps").GetProperty("unreached").GetInt32().Should().Be(3);
        view.GetProperty("nextDeadline").GetProperty("timer").GetString().Should().Be("FirstFollowUp");
        view.GetProperty("nextDeadline").GetProperty("dueAt").GetDateTimeOffset().Should().Be(due, "an attempt moves no date");
        var escalated = (await down.Timeline()).GetProperty("entries").EnumerateArray().Last().GetProperty("detail");
        escalated.GetProperty("timer").GetString().Should().Be("FirstFollowUp");
        escalated.GetProperty("unreached").GetInt32().Should().Be(3);
        await host.Pass(TimeSpan.FromDays(7.1));
        (await down.Events()).Should().EndWith("follow-up-overdue");
        (await Missed()).Should().Equal("FirstFollowUp/1");

        // reached once, it counts anew, and the timer of the plan is told then
        await down.Does("follow-up");
        down.State.Should().Be("FollowUp");
        (await down.Look()).GetProperty("followUps").TryGetProperty("unreached", out _).Should().BeFalse();
        for (var i = 0; i < 3; i++)
            await down.Does("follow-up", Nobody());
        (await down.Events()).Count(e => e == "escalated").Should().Be(2);
        (await down.Timeline()).GetProperty("entries").EnumerateArray().Last().GetProperty("detail").GetProperty("timer").GetString().Should().Be("FollowUpDue");
        await down.Does("close", new { reason = "UNREACHABLE" });

        var refused = await (await A.ReturnedAndArrived(host)).IsRefused("follow-up", System.Net.HttpStatusCode.BadRequest,
            body: new { way = "Phone", text = "无人接听", unreachable = true, nextDueOn = ChinaTime.DayOf(host.Clock.GetUtcNow()).AddDays(3) });
        refused.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/nextDueOn");
        await (await A.ReturnedAndArrived(host)).IsRefused("follow-up", System.Net.HttpStatusCode.Forbidden, body: Nobody(), by: ReferralHost.Tertiary);
        await (await A.ReturnedAndArrived(host)).IsRefusedToAStranger("follow-up", Nobody());

        async Task<string[]> Missed()
        {
            await host.Services.GetRequiredService<MeasureReferrals>().Counted(0);
            return (await host.Database.Query<string[]>("select missed from measure where referral_id = @Id", new { down.Id })).Single();
        }
    }

    [Fact]
    public async Task A_review_that_waits_is_noted_and_told_to_nobody_outside()
    {
        var draft = await (await A.Drafted(host, slip => slip["priority"] = "Urgent")).Does("send-for-review");
        await host.Pass(TimeSpan.FromHours(1.1));
        (await draft.Events()).Should().Equal("drafted", "sent-for-review", "deadline-missed");
        draft.Last.GetProperty("state").GetString().Should().Be("InternalReview");
        (await host.Database.Query<long?>("select sequence from history where referral_id = @id", new { id = draft.Id })).Should().OnlyContain(n => n == null);
    }

    [Fact]
    public async Task Two_sweepers_fire_a_timer_once()
    {
        var referrals = new List<A>();
        for (var i = 0; i < 6; i++)
            referrals.Add(await (await A.Submitted(host)).Does("claim"));
        host.Clock.Advance(TimeSpan.FromMinutes(16));
        // the second stands for another instance: it neither shares memory nor asks the first
        await using var elsewhere = NpgsqlDataSource.Create(host.Database.App);
        var services = host.Services;
        var sweepers = Enumerable.Range(0, 4).Select(_ => new DeadlineSweeper(elsewhere, services.GetRequiredService<ReferralStore>(),
            services.GetRequiredService<MoveRunner>(), host.Clock, NullLogger<DeadlineSweeper>.Instance)).ToArray();
        await Task.WhenAll(sweepers.Select(async sweeper =>
        {
            for (var i = 0; i < 5; i++)
                await sweeper.Sweep();
        }));
        foreach (var referral in referrals)
            (await referral.Events()).Should().Equal("submitted", "triage-started", "released");
    }

    [Fact]
    public async Task A_timer_that_two_of_them_read_at_the_same_time_takes_effect_once()
    {
        var referral = await (await A.Submitted(host)).Does("claim");
        var store = host.Services.GetRequiredService<ReferralStore>();
        var runner = host.Services.GetRequiredService<MoveRunner>();
        host.Clock.Advance(TimeSpan.FromMinutes(16));
        // both have read the row before either writes: the guard of the write decides
        var first = (await store.Find(referral.Id.ToString()))!.Value;
        var second = (await store.Find(referral.Id.ToString()))!.Value;
        Task<Ran> Release((ReferralService.Referrals.Referral Referral, byte[]? WrappedKey) found) => runner.Run(found.Referral, found.WrappedKey,
            runner.Machine.Release, runner.Begin(runner.Machine.Release, new ReferralService.Referrals.Triage.ReleaseReferral(null, null), Actor.System),
            null, [], _ => new(null, null));
        var ran = await Task.WhenAll(Release(first), Release(second));
        ran.Select(r => r.Saved).Should().BeEquivalentTo([Saved.Done, Saved.LostRace]);
        (await referral.Events()).Should().Equal("submitted", "triage-started", "released");
    }
}
