using System.Text.Json;
using Referrals.Contracts;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class WaitingTests(Scheduling scheduling)
{
    [Fact]
    public async Task Who_waits_is_served_by_priority_then_contract_then_time()
    {
        var hospital = scheduling.NewInstitution();
        var routineLate = A.Referral(hospital).Later(TimeSpan.FromHours(2));
        var routine = A.Referral(hospital).Later(TimeSpan.FromHours(1));
        var contracted = A.Referral(hospital).Contracted().Later(TimeSpan.FromHours(3));
        var urgent = A.Referral(hospital).Urgent().Later(TimeSpan.FromHours(4));
        var emergency = A.Referral(hospital).Emergency().Later(TimeSpan.FromHours(5));
        AReferral[] all = [routineLate, routine, contracted, urgent, emergency];
        await scheduling.HearsAtOnce(all.Select(r => r.Accepted()));

        for (var day = 1; day <= all.Length; day++)
            await hospital.Slot(day);

        var order = await scheduling.Database.Query<string>("""
            select n.referral_no from booking b join need n using (referral_id) where b.institution = @Code order by b.starts_at
            """, new { hospital.Code });
        order.Should().Equal(emergency.No, urgent.No, contracted.No, routine.No, routineLate.No);
        foreach (var referral in all)
            (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Of_those_heard_together_the_last_place_is_the_first_in_lines()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        AReferral emergency = A.Referral(hospital).Emergency(), routine;
        // the group is written in the order of the numbers
        do
            routine = A.Referral(hospital);
        while (string.CompareOrdinal(routine.Id.ToString(), emergency.Id.ToString()) > 0);

        Task heard;
        await using (await scheduling.Gate(hospital.Code + "/03.03/Slot"))
        {
            // it stops at the line; who comes meanwhile becomes the next group
            var ahead = scheduling.Hears(A.Referral(hospital).Within(Scheduling.Monday.AddYears(1), Scheduling.Monday.AddYears(2)).Accepted());
            await scheduling.StandsAtAGate("%pg_advisory_xact_lock(key)%");
            heard = Task.WhenAll(ahead, scheduling.HearsAtOnce([routine.Accepted(), emergency.Accepted()]));
            // another institution's line is not held up by this one
            var elsewhere = scheduling.NewInstitution();
            await scheduling.Hears(A.Referral(elsewhere).Accepted());
        }
        await heard;

        (await scheduling.SaidTypes(emergency)).Should().Equal("booked");
        (await scheduling.SaidTypes(routine)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task The_list_shows_the_order_and_why()
    {
        var hospital = scheduling.NewInstitution();
        var routine = A.Referral(hospital);
        var contracted = A.Referral(hospital).Contracted().Later(TimeSpan.FromHours(1));
        await scheduling.Hears(routine.Accepted(), contracted.Accepted());

        var items = (await hospital.Registrar.GetAsync("/v1/waiting-list").Json()).GetProperty("items").EnumerateArray().ToList();

        items.Select(i => i.GetProperty("referralNo").GetString()).Should().Equal(contracted.No, routine.No);
        items[0].GetProperty("contracted").GetBoolean().Should().BeTrue();
        items[0].GetProperty("rank").GetInt32().Should().BeLessThan(items[1].GetProperty("rank").GetInt32());
    }

    [Fact]
    public async Task A_page_continues_where_the_last_one_ended()
    {
        var hospital = scheduling.NewInstitution();
        var referrals = Enumerable.Range(0, 5).Select(n => A.Referral(hospital).Later(TimeSpan.FromMinutes(n))).ToList();
        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));

        var seen = new List<string>();
        var path = "/v1/waiting-list?limit=2";
        while (path is not null)
        {
            var answer = await hospital.Registrar.GetAsync(path);
            var page = await answer.Json();
            seen.AddRange(page.GetProperty("items").EnumerateArray().Select(i => i.GetProperty("referralNo").GetString()!));
            path = answer.Headers.TryGetValues("Link", out var link) ? link.Single().Split('<', '>')[1] : null;
        }

        seen.Should().Equal(referrals.Select(r => r.No));
    }

    [Fact]
    public async Task The_sender_sees_its_own_and_nobody_elses()
    {
        var (hospital, clinic, stranger) = (scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution());
        var (ours, theirs) = (A.Referral(hospital, from: clinic), A.Referral(hospital, from: stranger));
        await scheduling.Hears(ours.Accepted(), theirs.Accepted());

        var items = (await clinic.As("Clinician").GetAsync("/v1/waiting-list?as=sender").Json()).GetProperty("items");

        items.EnumerateArray().Select(i => i.GetProperty("referralNo").GetString()).Should().Equal(ours.No);
        (await clinic.As("Clinician").GetAsync("/v1/waiting-list").Json()).GetProperty("items").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task A_raised_priority_moves_forward()
    {
        var hospital = scheduling.NewInstitution();
        var first = A.Referral(hospital);
        var second = A.Referral(hospital).Later(TimeSpan.FromHours(1));
        await scheduling.Hears(first.Accepted(), second.Accepted(), second.PriorityRaised());

        await hospital.Slot();

        (await scheduling.SaidTypes(second)).Should().Equal("no-capacity", "booked");
        (await scheduling.SaidTypes(first)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task A_freed_place_goes_to_the_next_by_itself()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var (holder, next) = (A.Referral(hospital), A.Referral(hospital));
        await scheduling.Hears(holder.Accepted(), next.Accepted());

        await scheduling.Hears(holder.Cancelled());

        (await scheduling.SaidTypes(next)).Should().Equal("no-capacity", "booked");
        var said = await scheduling.Said(next);
        said.Select(s => s.GetProperty("data").GetProperty("attempt").GetInt64()).Should().Equal(1, 2);
    }

    [Fact]
    public async Task Who_cannot_come_on_that_day_lets_others_pass_and_keeps_his_turn()
    {
        var hospital = scheduling.NewInstitution();
        var first = A.Referral(hospital).Within(Scheduling.Monday.AddDays(5), Scheduling.Monday.AddDays(9));
        var second = A.Referral(hospital).Later(TimeSpan.FromHours(1));
        await scheduling.Hears(first.Accepted(), second.Accepted());

        await hospital.Slot(day: 1);
        await hospital.Slot(day: 6);

        (await scheduling.SaidTypes(second)).Should().Equal("no-capacity", "booked");
        (await scheduling.SaidTypes(first)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Who_asked_to_cancel_leaves_the_line_and_takes_his_old_turn_when_it_is_refused()
    {
        var hospital = scheduling.NewInstitution();
        var (first, second) = (A.Referral(hospital), A.Referral(hospital).Later(TimeSpan.FromHours(1)));
        await scheduling.Hears(first.Accepted(), second.Accepted(), first.CancellationRequested());
        (await scheduling.Waits(first)).Should().BeFalse();

        await scheduling.Hears(first.CancellationRefused(ReferralState.Waitlisted));
        await hospital.Slot();

        (await scheduling.SaidTypes(first)).Should().EndWith("booked");
        (await scheduling.Waits(second)).Should().BeTrue();
    }

    [Fact]
    public async Task A_new_ward_serves_who_waits_for_a_bed()
    {
        var hospital = scheduling.NewInstitution();
        var referral = A.Referral(hospital).Needs("Bed");
        await scheduling.Hears(referral.Accepted());

        await hospital.Ward(beds: 2);

        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }
}
