using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Deadlines;
using ReferralService.Referrals;
using ReferralService.Tests.Machine;
using ReferralService.Workflow;
using Xunit;

namespace ReferralService.Tests.Deadlines;

/// <summary>Every timer of the table, in memory: when it rings, what it means, what stops it.</summary>
public sealed class TimersTests
{
    private static readonly DateTimeOffset Noon = InMemory.Noon;
    private static readonly TimeSpan Minute = TimeSpan.FromMinutes(1), Hour = TimeSpan.FromHours(1), Day = TimeSpan.FromDays(1);

    private static Referral Starts(Referral r, DateTimeOffset? now = null)
    {
        Timers.Restart(r, now ?? Noon, InMemory.Alliance);
        return r;
    }

    /// <summary>The rungs of one timer as (after noon, meaning), as many as asked for.</summary>
    private static (TimeSpan After, Rung Rung)[] Ladder(Referral r, string timer, int rungs)
    {
        Starts(r);
        var ladder = new List<(TimeSpan, Rung)>();
        for (var i = 0; i < rungs; i++)
        {
            var running = Timers.Running(r).Single(t => t.Timer == timer);
            if (running.DueAt is not { } due)
                break;
            ladder.Add((due - Noon, Timers.StepOf(r, running, InMemory.Alliance)!.Rung));
            Timers.Climb(r, running, InMemory.Alliance);
        }
        return [.. ladder];
    }

    private static void Does(Referral r, string verb, TimeSpan after, Side side = Side.Receiver, string subject = "dr-test", Verbs.With? with = null) =>
        Verbs.Raise(r, verb, InMemory.By(side, subject), Noon + after, with).WasDone().Should().BeTrue("{0} is possible", verb);

    private static TimeSpan? DueOf(Referral r, string timer) => Timers.Running(r).SingleOrDefault(t => t.Timer == timer)?.DueAt - Noon;

    [Fact]
    public void A_routine_referral_nobody_looks_at_is_warned_missed_urged_every_two_hours_and_expires_after_two_days()
    {
        var ladder = Ladder(InMemory.At("Submitted"), "Triage", 99);
        ladder[..4].Should().Equal((2 * Hour, Rung.Warning), (24 * Hour, Rung.Missed), (26 * Hour, Rung.Escalated), (28 * Hour, Rung.Escalated));
        ladder[^1].Should().Be((48 * Hour, Rung.Acts));
    }

    [Fact]
    public void An_urgent_one_is_missed_after_two_hours_and_expires_after_one_day()
    {
        var ladder = Ladder(InMemory.At("Submitted", priority: Priority.Urgent), "Triage", 99);
        ladder[..2].Should().Equal((2 * Hour, Rung.Missed), (4 * Hour, Rung.Escalated));
        ladder[^1].Should().Be((24 * Hour, Rung.Acts));
    }

    [Fact]
    public void An_emergency_is_missed_after_a_quarter_of_an_hour_urged_for_ever_and_never_expires()
    {
        var ladder = Ladder(InMemory.At("Submitted", priority: Priority.Emergency), "Triage", 200);
        ladder[0].Should().Be((15 * Minute, Rung.Missed));
        ladder.Should().HaveCount(200).And.NotContain(rung => rung.Rung == Rung.Acts);
    }

    [Fact]
    public void The_triage_of_an_external_target_is_urged_and_does_not_expire()
    {
        var r = InMemory.At("Submitted");
        r.External = true;
        Ladder(r, "Triage", 60).Should().HaveCount(60).And.NotContain(rung => rung.Rung == Rung.Acts);
    }

    [Fact]
    public void A_question_stops_the_clock_of_triage_and_the_rungs_that_passed_stay_passed()
    {
        var r = Starts(InMemory.At("Submitted"));
        Timers.Climb(r, Timers.Running(r).Single(t => t.Timer == "Triage"), InMemory.Alliance);
        Does(r, "request-information", 3 * Hour);
        DueOf(r, "Triage").Should().BeNull("triage stands still");
        r.NextDeadline.Should().NotBe("Triage");
        Does(r, "supply-information", 13 * Hour, Side.Sender);
        DueOf(r, "Triage").Should().Be(34 * Hour, "the ten hours of the question do not count, and the first warning is not repeated");
    }

    [Fact]
    public void A_raised_priority_counts_from_the_moment_it_was_raised()
    {
        var r = Starts(InMemory.At("Submitted"));
        Does(r, "raise-priority", 30 * Hour);
        DueOf(r, "Triage").Should().Be(32 * Hour, "it must not expire because it would have, had it been urgent from the start");
    }

    [Fact]
    public void A_claim_is_let_go_after_a_quarter_of_an_hour_and_every_move_of_the_claimant_starts_it_again()
    {
        var r = InMemory.At("Submitted");
        Does(r, "claim", 0 * Minute, subject: "dr-a");
        DueOf(r, "Claim").Should().Be(15 * Minute);
        Does(r, "note", 10 * Minute, subject: "dr-b");
        DueOf(r, "Claim").Should().Be(15 * Minute, "somebody else's note does not hold it");
        Does(r, "note", 10 * Minute, subject: "dr-a");
        DueOf(r, "Claim").Should().Be(25 * Minute);
        Timers.StepOf(r, Timers.Running(r).Single(t => t.Timer == "Claim"), InMemory.Alliance)!.Rung.Should().Be(Rung.Acts);
        Does(r, "request-information", 20 * Minute, subject: "dr-a");
        DueOf(r, "Claim").Should().BeNull("the ball is with the sender");
        Does(r, "supply-information", 50 * Minute, Side.Sender);
        DueOf(r, "Claim").Should().Be(65 * Minute, "the claimant gets the time again");
    }

    [Fact]
    public void An_assigned_referral_has_no_claim_that_runs_out()
    {
        var r = InMemory.At("Submitted");
        Does(r, "assign", 0 * Minute);
        DueOf(r, "Claim").Should().BeNull();
    }

    [Theory]
    [InlineData(Priority.Routine, 48), InlineData(Priority.Urgent, 12)]
    public void An_unanswered_question_is_missed_urged_every_day_and_the_referral_expires_after_a_week(Priority priority, int hours)
    {
        var ladder = Ladder(InMemory.At("InformationRequested", priority: priority), "Information", 9);
        ladder[..2].Should().Equal((hours * Hour, Rung.Missed), (hours * Hour + Day, Rung.Escalated));
        ladder[^1].Should().Be((7 * Day, Rung.Acts));
        ladder[1..^1].Should().OnlyContain(rung => rung.Rung == Rung.Escalated && rung.After < 7 * Day);
    }

    [Fact]
    public void A_question_about_an_emergency_or_a_return_never_expires_it()
    {
        Ladder(InMemory.At("InformationRequested", priority: Priority.Emergency), "Information", 5)
            .Should().StartWith((30 * Minute, Rung.Missed)).And.NotContain(rung => rung.Rung == Rung.Acts);
        Ladder(InMemory.At("InformationRequested", ReferralKind.RehabReturn), "Information", 5).Should().NotContain(rung => rung.Rung == Rung.Acts);
    }

    [Fact]
    public void The_turnaround_of_four_hours_is_reported_once_and_ends_with_the_booking()
    {
        Ladder(InMemory.At("Submitted"), "Turnaround", 9).Should().Equal((4 * Hour, Rung.Missed));
        var r = Starts(InMemory.At("Accepted"));
        Does(r, "booked", 1 * Hour, Side.System);
        DueOf(r, "Turnaround").Should().BeNull();
    }

    [Theory]
    [InlineData(Priority.Routine, 24), InlineData(Priority.Urgent, 4)]
    public void An_acceptance_without_a_booking_is_warned_after_two_hours_and_missed(Priority priority, int hours) =>
        Ladder(InMemory.At("Accepted", priority: priority), "Scheduling", 9).Should().Equal((2 * Hour, Rung.Warning), (hours * Hour, Rung.Missed));

    [Theory]
    [InlineData(Priority.Routine, 72), InlineData(Priority.Urgent, 24)]
    public void A_waiting_patient_is_asked_about_another_hospital_after_three_days_or_one(Priority priority, int hours) =>
        Ladder(InMemory.At("Waitlisted", priority: priority), "Capacity", 1).Should().Equal((hours * Hour, Rung.Missed));

    [Fact]
    public void A_booked_patient_is_reminded_a_day_and_two_hours_before_and_missed_half_an_hour_after_the_slot()
    {
        var r = InMemory.At("Scheduled");
        r.BookingStartsAt = Noon + 3 * Day;
        r.BookingEndsAt = Noon + 3 * Day + 30 * Minute;
        Ladder(r, "Reminder", 9).Should().Equal((2 * Day, Rung.Warning), (3 * Day - 2 * Hour, Rung.Warning));
        Ladder(r, "Absence", 9).Should().Equal((3 * Day + 1 * Hour, Rung.Acts));
    }

    [Fact]
    public void A_reminder_that_would_be_late_already_is_left_out()
    {
        var r = InMemory.At("Scheduled");
        r.BookingStartsAt = Noon + 5 * Hour;
        Ladder(r, "Reminder", 9).Should().Equal((3 * Hour, Rung.Warning));
    }

    [Fact]
    public void A_missed_patient_is_given_up_after_a_week() =>
        Ladder(InMemory.At("NoShow"), "NoShow", 9).Should().Equal((7 * Day, Rung.Acts));

    [Fact]
    public void A_patient_on_the_way_is_missed_half_an_hour_late_and_an_emergency_escalates_every_quarter_of_an_hour()
    {
        var r = InMemory.At("InTransit");
        Ladder(r, "Arrival", 9).Should().Equal((3 * Hour + 30 * Minute, Rung.Acts));
        var emergency = InMemory.At("InTransit", priority: Priority.Emergency);
        Ladder(emergency, "Arrival", 3).Should().Equal(
            (3 * Hour + 15 * Minute, Rung.Missed), (3 * Hour + 30 * Minute, Rung.Escalated), (3 * Hour + 45 * Minute, Rung.Escalated));
    }

    [Fact]
    public void A_patient_sent_off_without_a_date_is_missed_a_day_later()
    {
        var r = InMemory.At("InTransit");
        r.ExpectedArrival = null;
        Ladder(r, "Arrival", 1).Should().Equal((24 * Hour + 30 * Minute, Rung.Acts));
    }

    [Fact]
    public void A_bed_is_held_for_two_days_after_the_patient_was_expected_but_not_while_he_is_on_the_way()
    {
        var r = InMemory.At("Scheduled", ReferralKind.InpatientTransfer);
        r.BookingResource = "Bed";
        Ladder(r, "BedHold", 9).Should().Equal((Day + 48 * Hour, Rung.Acts));
        DueOf(r, "Absence").Should().BeNull("a bed has no slot that ends");
        Does(r, "dispatch", 1 * Hour, Side.Sender);
        DueOf(r, "BedHold").Should().BeNull();
    }

    [Fact]
    public void A_treatment_is_warned_after_a_day_and_a_half_and_missed_after_two()
    {
        Ladder(InMemory.At("Arrived"), "Treatment", 3).Should().Equal((36 * Hour, Rung.Warning), (48 * Hour, Rung.Missed), (72 * Hour, Rung.Escalated));
        var reading = InMemory.At("Accepted", ReferralKind.DiagnosticReading);
        reading.AcceptedAt = Noon;
        Ladder(reading, "Treatment", 1).Should().Equal((36 * Hour, Rung.Warning));
    }

    [Fact]
    public void Who_could_go_back_and_is_not_sent_is_missed_after_a_day_and_again_after_a_failed_return()
    {
        var r = Starts(InMemory.At("Treated"));
        DueOf(r, "Return").Should().Be(24 * Hour);
        var child = Verbs.Child(r, Relation.Return, Noon);
        Does(r, "return", 2 * Hour, with: new(Linked: child));
        DueOf(r, "Return").Should().BeNull();
        Does(r, "return-failed", 30 * Hour, Side.System, with: new(LinkedId: child.Referral.Id));
        DueOf(r, "Return").Should().Be(54 * Hour);
    }

    [Fact]
    public void A_downward_referral_escalates_every_day_and_never_expires()
    {
        Ladder(InMemory.At("Submitted", ReferralKind.RehabReturn), "DownAcknowledge", 3).Should().Equal(
            (24 * Hour, Rung.Missed), (48 * Hour, Rung.Escalated), (72 * Hour, Rung.Escalated));
        DueOf(Starts(InMemory.At("Submitted", ReferralKind.RehabReturn)), "Triage").Should().BeNull();
    }

    [Fact]
    public void A_patient_who_does_not_leave_the_hospital_is_noticed_a_day_after_the_expected_arrival() =>
        Ladder(InMemory.At("Accepted", ReferralKind.RehabReturn), "Discharge", 1).Should().Equal((2 * Day + Day, Rung.Missed));

    [Fact]
    public void The_first_follow_up_is_due_within_a_week_and_each_next_one_by_the_plan()
    {
        Ladder(InMemory.At("Arrived", ReferralKind.RehabReturn), "FirstFollowUp", 1).Should().Equal((7 * Day, Rung.FollowUpOverdue));
        var r = InMemory.At("FollowUp", ReferralKind.RehabReturn);
        r.NextFollowUpOn = new(2026, 3, 5);
        // the end of that day in Shanghai is 12 hours before UTC noon of the next
        Ladder(r, "FollowUpDue", 1).Should().Equal((3 * Day + 12 * Hour, Rung.FollowUpOverdue));
    }

    [Theory]
    [InlineData("Submitted"), InlineData("InTriage"), InlineData("InformationRequested"), InlineData("Accepted"), InlineData("Waitlisted")]
    [InlineData("Scheduled"), InlineData("InTransit"), InlineData("CancellationRequested")]
    public void The_alarm_of_an_emergency_runs_until_it_is_answered_or_the_patient_is_there(string state)
    {
        var r = InMemory.At(state, priority: Priority.Emergency);
        Ladder(r, "GreenChannel", 3).Should().Equal((15 * Minute, Rung.Missed), (2 * Hour, Rung.Escalated), (4 * Hour, Rung.Escalated));
        r.AcknowledgedAt = Noon;
        DueOf(Starts(r), "GreenChannel").Should().BeNull();
    }

    [Fact]
    public void What_becomes_an_emergency_rings_a_quarter_of_an_hour_later_and_not_at_once()
    {
        var r = Starts(InMemory.At("Waitlisted"));
        Does(r, "make-emergency", 30 * Hour, Side.Sender);
        DueOf(r, "GreenChannel").Should().Be(30 * Hour + 15 * Minute);
    }

    [Fact]
    public void An_emergencys_consent_is_filed_within_a_day()
    {
        var r = Starts(InMemory.At("InTransit", priority: Priority.Emergency));
        DueOf(r, "Consent").Should().Be(24 * Hour);
        Does(r, "file-consent", 1 * Hour, Side.Sender);
        DueOf(r, "Consent").Should().BeNull();
    }

    [Fact]
    public void A_cancellation_confirms_itself_after_a_day_but_not_from_the_road_and_never_an_emergency()
    {
        Ladder(InMemory.At("CancellationRequested"), "CancellationConfirm", 9).Should().Equal((24 * Hour, Rung.Acts));
        Ladder(InMemory.At("CancellationRequested", cameFrom: "InTransit"), "CancellationConfirm", 2).Should().Equal(
            (24 * Hour, Rung.Missed), (48 * Hour, Rung.Escalated));
        Ladder(InMemory.At("CancellationRequested", priority: Priority.Emergency), "CancellationConfirm", 2).Should().NotContain(rung => rung.Rung == Rung.Acts);
    }

    [Fact]
    public void A_review_and_a_patients_own_request_are_missed_as_well()
    {
        Ladder(InMemory.At("InternalReview"), "InternalReview", 1).Should().Equal((4 * Hour, Rung.Missed));
        Ladder(InMemory.At("InternalReview", priority: Priority.Urgent), "InternalReview", 1).Should().Equal((1 * Hour, Rung.Missed));
        var draft = InMemory.At("Draft");
        draft.Channel = Channel.MINI_PROGRAM;
        Ladder(draft, "Intake", 1).Should().Equal((24 * Hour, Rung.Missed));
        DueOf(Starts(InMemory.At("Draft")), "Intake").Should().BeNull("a doctor's own draft may lie");
    }

    [Fact]
    public void A_rung_that_rang_does_not_ring_again_after_the_row_was_stored_and_read()
    {
        var r = InMemory.At("InternalReview");
        r.StateSince = Noon.AddTicks(7);
        Starts(r);
        Timers.Climb(r, Timers.Running(r).Single(), InMemory.Alliance);
        // a timestamp of PostgreSQL has microseconds
        r.StateSince = Noon;
        Starts(r);
        Timers.Running(r).Single().Level.Should().Be(1);
    }

    [Fact]
    public void Of_urges_that_are_all_late_one_is_told_and_no_level_below_the_last()
    {
        var r = Starts(InMemory.At("Submitted", priority: Priority.Emergency));
        var alarm = Timers.Running(r).Single(t => t.Timer == "GreenChannel");
        Timers.LastDue(r, alarm, Noon + 9 * Hour, InMemory.Alliance).Should().Be(alarm, "the first level is told by itself");
        Timers.Climb(r, alarm, InMemory.Alliance);
        var urge = Timers.LastDue(r, Timers.Running(r).Single(t => t.Timer == "GreenChannel"), Noon + 9 * Hour, InMemory.Alliance);
        (urge.Level, urge.DueAt - Noon).Should().Be((4, 8 * Hour));
        Timers.Climb(r, urge, InMemory.Alliance);
        DueOf(r, "GreenChannel").Should().Be(10 * Hour);

        var routine = Starts(InMemory.At("Submitted"));
        var triage = Timers.Running(routine).Single(t => t.Timer == "Triage");
        for (var level = 0; level < 3; level++)
        {
            Timers.LastDue(routine, triage, Noon + 9 * Day, InMemory.Alliance).Should().Match<RunningTimer>(t => t.Level >= level);
            Timers.Climb(routine, triage, InMemory.Alliance);
            triage = Timers.Running(routine).Single(t => t.Timer == "Triage");
        }
        Timers.StepOf(routine, Timers.LastDue(routine, triage, Noon + 9 * Day, InMemory.Alliance), InMemory.Alliance)!.Rung.Should().Be(Rung.Escalated, "the end is never skipped to");
    }

    [Fact]
    public void Several_run_at_once_and_the_earliest_is_the_next_deadline()
    {
        var r = Starts(InMemory.At("Submitted", priority: Priority.Emergency));
        Timers.Running(r).Select(t => t.Timer).Should().BeEquivalentTo("Triage", "GreenChannel", "Consent");
        (r.NextDeadlineAt - Noon).Should().Be(15 * Minute);
    }

    [Fact]
    public void Every_state_has_timers_of_its_own_and_every_end_stops_them_all()
    {
        foreach (var state in MovesModel.States)
        {
            foreach (var row in EveryLineOfTheTableTests.Rows(state))
            {
                Starts(row);
                if (!MovesModel.Finals.Contains(state))
                    continue;
                row.Timers.Should().Be("[]");
                row.NextDeadline.Should().BeNull();
                row.NextDeadlineAt.Should().BeNull();
            }
        }
        foreach (var end in (string[])["decline", "cancel", "close", "advise", "expire"])
        {
            var r = Starts(InMemory.At("Submitted"));
            r.NextDeadlineAt.Should().NotBeNull();
            Does(r, end, 1 * Hour, end switch { "cancel" => Side.Sender, "expire" => Side.System, _ => Side.Receiver });
            Timers.Running(r).Should().BeEmpty("{0} ends it", end);
        }
    }
}
