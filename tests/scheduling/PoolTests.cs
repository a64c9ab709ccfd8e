using System.Net;

namespace SchedulingService.Tests;

/// <summary>Expert slots reserved for family doctors. The clock is its own: opening hours pass.</summary>
public sealed class PoolTests(Scheduling scheduling) : IClassFixture<Scheduling>
{
    [Fact]
    public async Task A_reserved_slot_is_for_a_contracted_patient_though_another_waited_longer()
    {
        var hospital = scheduling.NewInstitution();
        var (other, contracted) = (Ahead(hospital), Ahead(hospital).Contracted().Later(TimeSpan.FromHours(1)));
        await scheduling.Hears(other.Accepted(), contracted.Accepted());

        await Reserved(hospital, TimeSpan.FromDays(3));

        (await scheduling.SaidTypes(contracted)).Should().Equal("no-capacity", "booked");
        (await scheduling.Said(contracted))[^1].GetProperty("data").GetProperty("fromPool").GetBoolean().Should().BeTrue();
        (await scheduling.Waits(other)).Should().BeTrue();
    }

    [Fact]
    public async Task A_slot_nobody_took_opens_at_its_hour_and_goes_to_who_waits()
    {
        var hospital = scheduling.NewInstitution();
        var other = Ahead(hospital);
        await scheduling.Hears(other.Accepted());
        await Reserved(hospital, TimeSpan.FromDays(3), opensBefore: TimeSpan.FromDays(1));

        scheduling.Clock.Advance(TimeSpan.FromHours(47));
        await Task.Delay(1500);
        (await scheduling.Waits(other)).Should().BeTrue();
        scheduling.Clock.Advance(TimeSpan.FromHours(2));

        await Eventually.Is(async () => (await scheduling.SaidTypes(other)).SequenceEqual(["no-capacity", "booked"]), "it opened");
        (await scheduling.Said(other))[^1].GetProperty("data").TryGetProperty("fromPool", out _).Should().BeFalse("it is nobody's pool any more");
    }

    [Fact]
    public async Task A_clinic_takes_no_more_than_its_quota_of_a_week_and_another_clinic_still_may()
    {
        var (hospital, clinic, village) = (scheduling.NewInstitution(), scheduling.NewInstitution(), scheduling.NewInstitution());
        await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 2 });
        await Reserved(hospital, TimeSpan.FromDays(3), capacity: 10);
        var ours = Enumerable.Range(0, 3).Select(n => Ahead(hospital, clinic).Contracted().Later(TimeSpan.FromMinutes(n))).ToList();
        var theirs = Ahead(hospital, village).Contracted();

        await scheduling.Hears([.. ours.Select(r => r.Accepted()), theirs.Accepted()]);

        foreach (var referral in ours.Take(2).Append(theirs))
            (await scheduling.SaidTypes(referral)).Should().Equal("booked");
        (await scheduling.Waits(ours[2])).Should().BeTrue();

        // what is given back counts no more
        await scheduling.Hears(ours[0].Cancelled());
        (await scheduling.SaidTypes(ours[2])).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task A_clinic_with_a_line_of_its_own_goes_by_that_and_a_higher_quota_serves_at_once()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 5 });
        await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 0, sender = clinic.Code });
        await Reserved(hospital, TimeSpan.FromDays(3), capacity: 10);
        var referral = Ahead(hospital, clinic).Contracted();
        await scheduling.Hears(referral.Accepted());
        (await scheduling.Waits(referral)).Should().BeTrue();

        var raised = await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 1, sender = clinic.Code });

        (await raised.Json()).GetProperty("served").GetInt32().Should().Be(1);
        (await scheduling.SaidTypes(referral)).Should().Equal("no-capacity", "booked");
    }

    [Fact]
    public async Task Fifty_contracted_patients_of_one_clinic_at_once_keep_to_the_quota()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 7 });
        await Reserved(hospital, TimeSpan.FromDays(3), capacity: 50);

        await scheduling.HearsAtOnce(Enumerable.Range(0, 50).Select(_ => Ahead(hospital, clinic).Contracted().Accepted()));

        (await scheduling.Database.Query<int>("select count(*)::int from booking where institution = @Code", new { hospital.Code })).Should().Equal(7);
    }

    [Fact]
    public async Task Moving_to_another_reserved_slot_of_the_week_takes_no_more_of_the_quota()
    {
        var (hospital, referral, other) = await QuotaOfOne();
        var wednesday = await Reserved(hospital, NextMonday.AddDays(2));

        var answer = await hospital.Registrar.Command($"/v1/bookings/{await Standing(referral)}/reschedule", new { reason = "PATIENT_REQUEST", slotId = wednesday }, ifMatch: "*");

        answer.StatusCode.Should().Be(HttpStatusCode.Created);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "rescheduled");
        (await scheduling.Waits(other)).Should().BeTrue("the quota is used up for everybody else");
    }

    [Fact]
    public async Task Holding_another_reserved_slot_and_confirming_it_takes_no_more_of_the_quota()
    {
        var (hospital, referral, other) = await QuotaOfOne();
        var wednesday = await Reserved(hospital, NextMonday.AddDays(2));

        var held = await hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = wednesday, hold = true });
        held.StatusCode.Should().Be(HttpStatusCode.Created);
        var confirmed = await hospital.Registrar.Command($"/v1/bookings/{(await held.Json()).GetProperty("id").GetString()}/confirm", new { }, ifMatch: "*");

        confirmed.StatusCode.Should().Be(HttpStatusCode.OK);
        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "rescheduled");
        (await scheduling.Waits(other)).Should().BeTrue("the quota is used up for everybody else");
    }

    [Fact]
    public async Task Whose_reserved_slot_is_withdrawn_gets_another_one_of_the_week_though_the_quota_is_used_up()
    {
        var (hospital, referral, other) = await QuotaOfOne();
        var monday = (await scheduling.Bookings(referral)).Single().SlotId;
        var wednesday = await Reserved(hospital, NextMonday.AddDays(2));

        await hospital.Registrar.Command($"/v1/slots/{monday}/withdraw", new { reason = "CLINICIAN_ABSENT" });

        (await scheduling.SaidTypes(referral)).Should().Equal("booked", "rescheduled");
        (await scheduling.Bookings(referral)).Single(b => b.State == "Booked").SlotId.Should().Be(wednesday);
        (await scheduling.Waits(other)).Should().BeTrue("the quota is used up for everybody else");
    }

    [Fact]
    public async Task Choosing_a_reserved_slot_without_a_contract_is_409_with_its_opening_hour()
    {
        var hospital = scheduling.NewInstitution();
        var other = Ahead(hospital);
        await scheduling.Hears(other.Accepted());
        var slot = await Reserved(hospital, TimeSpan.FromDays(3));

        var answer = await hospital.Registrar.Command("/v1/bookings", new { referral = other.No, slotId = slot });

        answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
        var problem = await answer.Json();
        problem.GetProperty("code").GetString().Should().Be("slot-reserved");
        problem.TryGetProperty("opensAt", out _).Should().BeTrue();
    }

    [Fact]
    public async Task What_is_reserved_is_not_told_as_free_and_shown_apart()
    {
        var hospital = scheduling.NewInstitution();
        await Reserved(hospital, TimeSpan.FromDays(3), capacity: 4);

        var day = (await hospital.Registrar.GetAsync("/v1/capacity").Json()).GetProperty("days")[0];
        var slot = (await hospital.Registrar.GetAsync("/v1/slots").Json()).GetProperty("items")[0];

        day.GetProperty("free").GetInt32().Should().Be(0);
        day.GetProperty("reserved").GetInt32().Should().Be(4);
        slot.GetProperty("reservedFor").GetString().Should().Be("FamilyDoctor");
        await Eventually.Is(() => Task.FromResult(scheduling.SaidOfCapacity(hospital) is [.., var last] && last.GetProperty("data").GetProperty("free").GetArrayLength() == 0),
            "nothing is told as free");
    }

    [Fact]
    public async Task The_use_of_a_pool_is_counted_by_week()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 3 });
        await Reserved(hospital, TimeSpan.FromDays(3), capacity: 10);
        await scheduling.Hears(Ahead(hospital, clinic).Contracted().Accepted(), Ahead(hospital).Contracted().Accepted());

        var pool = (await clinic.As("Clinician").GetAsync($"/v1/pools?institution={hospital.Code}").Json()).GetProperty("items")[0];

        pool.GetProperty("reserved").GetInt32().Should().Be(10);
        pool.GetProperty("taken").GetInt32().Should().Be(2);
        pool.GetProperty("yourQuota").GetInt32().Should().Be(3);
        pool.GetProperty("youTook").GetInt32().Should().Be(1);
    }

    private AReferral Ahead(Institution hospital, Institution? from = null)
    {
        var now = scheduling.Clock.GetUtcNow();
        return A.Referral(hospital, from).Within(now, now.AddDays(14));
    }

    private DateTimeOffset NextMonday
    {
        get
        {
            var today = scheduling.Clock.GetUtcNow().UtcDateTime.Date;
            return new(today.AddDays(7 - ((int)today.DayOfWeek + 6) % 7).AddHours(2), TimeSpan.Zero);
        }
    }

    /// <summary>The clinic may take one place a week: the first has it, next Monday, and the other one waits.</summary>
    private async Task<(Institution Hospital, AReferral Holder, AReferral Other)> QuotaOfOne()
    {
        var (hospital, clinic) = (scheduling.NewInstitution(), scheduling.NewInstitution());
        await hospital.Registrar.Command("/v1/pools/quota", new { department = "03.03", resource = "Slot", perWeek = 1 });
        await Reserved(hospital, NextMonday);
        var (holder, other) = (Ahead(hospital, clinic).Contracted(), Ahead(hospital, clinic).Contracted().Later(TimeSpan.FromHours(1)));
        await scheduling.Hears(holder.Accepted(), other.Accepted());
        return (hospital, holder, other);
    }

    private async Task<Guid> Standing(AReferral referral) => (await scheduling.Bookings(referral)).Single(b => b.State == "Booked").Id;

    private Task<Guid> Reserved(Institution hospital, TimeSpan ahead, TimeSpan? opensBefore = null, int capacity = 1) =>
        Reserved(hospital, scheduling.Clock.GetUtcNow() + ahead, opensBefore, capacity);

    private static async Task<Guid> Reserved(Institution hospital, DateTimeOffset startsAt, TimeSpan? opensBefore = null, int capacity = 1)
    {
        var opensAt = startsAt - (opensBefore ?? TimeSpan.FromHours(24));
        return (await hospital.Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity, reservedFor = "FamilyDoctor", opensAt } },
        }).Json()).GetProperty("ids")[0].GetGuid();
    }
}
