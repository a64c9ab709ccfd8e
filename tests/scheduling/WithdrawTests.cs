using System.Net;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class WithdrawTests(Scheduling scheduling)
{
    private static readonly object Absent = new { reason = "CLINICIAN_ABSENT" };

    [Fact]
    public async Task Whoever_held_the_slot_gets_the_nearest_other_one_and_keeps_one_code_that_works()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot(day: 3);
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());
        await hospital.Slot(day: 9);
        var nearest = await hospital.Slot(day: 2);

        var answer = await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent);

        (await answer.Json()).GetProperty("moved").GetInt32().Should().Be(1);
        var bookings = await scheduling.Bookings(referral);
        bookings.Single(b => b.State == "Booked").SlotId.Should().Be(nearest);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "rescheduled");
    }

    [Fact]
    public async Task Without_another_place_he_waits_with_his_old_turn()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();
        var (holder, other) = (A.Referral(hospital), A.Referral(hospital).Later(TimeSpan.FromHours(1)));
        await scheduling.Hears(holder.Accepted(), other.Accepted());

        var answer = await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent);
        await scheduling.Hears(holder.BookingCancelled());
        await hospital.Slot(day: 4);

        (await answer.Json()).GetProperty("waiting").GetInt32().Should().Be(1);
        (await scheduling.SaidTypes(holder)).Should().Equal("booked", "booking-cancelled", "no-capacity", "booked");
        (await scheduling.Waits(other)).Should().BeTrue();
    }

    [Fact]
    public async Task All_patients_of_a_slot_are_moved_as_far_as_there_is_room_and_nothing_is_left_behind()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot(capacity: 10);
        var referrals = Enumerable.Range(0, 10).Select(n => A.Referral(hospital).Later(TimeSpan.FromMinutes(n))).ToList();
        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));
        await hospital.Slot(day: 5, capacity: 6);

        var answer = await (await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent)).Json();

        answer.GetProperty("moved").GetInt32().Should().Be(6);
        answer.GetProperty("waiting").GetInt32().Should().Be(4);
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(0);
        foreach (var first in referrals.Take(6))
            (await scheduling.SaidTypes(first)).Should().EndWith("rescheduled", "who asked first is moved first");
    }

    [Fact]
    public async Task A_withdrawal_and_those_who_ask_and_cancel_at_the_same_moment_leave_nobody_in_a_slot_that_is_gone()
    {
        for (var round = 0; round < 5; round++)
        {
            var hospital = scheduling.NewInstitution();
            var slots = new[] { await hospital.Slot(day: 1, capacity: 10), await hospital.Slot(day: 2, capacity: 30) };
            var holders = Enumerable.Range(0, 10).Select(_ => A.Referral(hospital)).ToList();
            await scheduling.HearsAtOnce(holders.Select(r => r.Accepted()));

            var withdrawn = hospital.Registrar.Command($"/v1/slots/{slots[0]}/withdraw", Absent);
            var heard = scheduling.HearsAtOnce(holders.Take(5).Select(r => r.Cancelled()).Concat(Enumerable.Range(0, 10).Select(_ => A.Referral(hospital).Accepted())));
            await Task.WhenAll(withdrawn, heard);

            await Eventually.Is(async () => (await scheduling.Database.Query<int>("select taken from slot where id = @id", new { id = slots[0] })).Single() == 0,
                "nobody stands in the withdrawn slot");
            (await scheduling.Database.Query<int>("select taken from slot where id = @id", new { id = slots[1] })).Single().Should().Be(15);
        }
    }

    [Fact]
    public async Task A_withdrawn_slot_is_gone_and_withdrawing_it_twice_is_409()
    {
        var (hospital, other) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        var slot = await hospital.Slot();

        ((int)(await other.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent)).StatusCode).Should().Be(404);
        ((int)(await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", new { reason = "BORED" })).StatusCode).Should().Be(400);
        ((int)(await hospital.As("Clinician").Command($"/v1/slots/{slot}/withdraw", Absent)).StatusCode).Should().Be(403);
        (await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent, key: "once")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent, key: "once")).Headers.Contains("Idempotency-Replayed").Should().BeTrue();
        var again = await hospital.Registrar.Command($"/v1/slots/{slot}/withdraw", Absent);
        again.StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await again.Json()).GetProperty("code").GetString().Should().Be("place-gone");
        (await hospital.Registrar.GetAsync("/v1/slots").Json()).GetProperty("items").GetArrayLength().Should().Be(0);
    }

    [Fact]
    public async Task More_room_serves_who_waits_and_less_room_than_patients_is_refused()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();
        var (first, second) = (A.Referral(hospital), A.Referral(hospital));
        await scheduling.Hears(first.Accepted(), second.Accepted());

        (await (await hospital.Registrar.Command($"/v1/slots/{slot}/change", new { capacity = 2 })).Json()).GetProperty("served").GetInt32().Should().Be(1);
        (await scheduling.SaidTypes(second)).Should().EndWith("booked");
        var less = await hospital.Registrar.Command($"/v1/slots/{slot}/change", new { capacity = 1 });
        (await less.Json()).GetProperty("code").GetString().Should().Be("place-in-use");
    }

    [Fact]
    public async Task Room_beyond_the_capacity_is_nobodys_by_itself()
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot();
        var (first, second) = (A.Referral(hospital), A.Referral(hospital));
        await scheduling.Hears(first.Accepted(), second.Accepted());

        await hospital.Registrar.Command($"/v1/slots/{slot}/change", new { overbook = 2 });

        (await scheduling.Waits(second)).Should().BeTrue();
    }

    [Fact]
    public async Task New_beds_of_a_ward_serve_who_waits()
    {
        var hospital = scheduling.NewInstitution();
        var ward = await hospital.Ward();
        var (first, second) = (A.Referral(hospital).Needs("Bed"), A.Referral(hospital).Needs("Bed"));
        await scheduling.Hears(first.Accepted(), second.Accepted());

        var answer = await (await hospital.Registrar.Command($"/v1/wards/{ward}/add-beds", new { beds = new[] { "02", "03" } })).Json();

        answer.GetProperty("beds").GetInt32().Should().Be(3);
        answer.GetProperty("served").GetInt32().Should().Be(1);
        (await scheduling.SaidTypes(second)).Should().EndWith("booked");
    }

    [Fact]
    public async Task Whose_bed_is_lost_gets_another_one_or_waits_and_a_bed_in_use_stays()
    {
        var hospital = scheduling.NewInstitution();
        var ward = await hospital.Ward(beds: 2);
        var (inBed, kept) = (A.Referral(hospital).Needs("Bed"), A.Referral(hospital).Needs("Bed"));
        await scheduling.Hears(inBed.Accepted(), inBed.Arrived(), kept.Accepted());
        async Task<string> Label(AReferral referral) => (await scheduling.Database.Query<string>(
            "select d.label from booking b join bed d on d.id = b.bed_id where b.referral_id = @Id and b.state in ('Booked', 'Used')", new { referral.Id })).Single();
        var lost = new { beds = new[] { await Label(kept) }, reason = "BED_LOST" };

        var inUse = await hospital.Registrar.Command($"/v1/wards/{ward}/withdraw-beds", new { beds = new[] { await Label(inBed) }, reason = "BED_LOST" });
        inUse.StatusCode.Should().Be(HttpStatusCode.Conflict);
        await hospital.Registrar.Command($"/v1/wards/{ward}/add-beds", new { beds = new[] { "09" } });
        await hospital.Registrar.Command($"/v1/wards/{ward}/withdraw-beds", lost);
        (await Label(kept)).Should().Be("09");
        await hospital.Registrar.Command($"/v1/wards/{ward}/withdraw-beds", new { beds = new[] { "09" }, reason = "BED_LOST" });

        (await scheduling.SaidTypes(kept)).Should().Equal("booked", "rescheduled", "booking-cancelled");
        ((int)(await hospital.Registrar.Command($"/v1/wards/{ward}/withdraw-beds", new { beds = new[] { "77" }, reason = "BED_LOST" })).StatusCode).Should().Be(409);
    }
}
