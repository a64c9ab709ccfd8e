using System.Net;
using Npgsql;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class DoubleBookingTests(Scheduling scheduling)
{
    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    public async Task Fifty_acceptances_at_once_on_one_slot_give_exactly_its_capacity(int capacity)
    {
        var hospital = scheduling.NewInstitution();
        var slot = await hospital.Slot(capacity: capacity);
        var referrals = Enumerable.Range(0, 50).Select(_ => A.Referral(hospital)).ToList();

        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));

        (await Live(slot)).Should().Be(capacity);
        (await scheduling.Database.Query<int>("select taken from slot where id = @slot", new { slot })).Should().Equal(capacity);
        (await scheduling.Database.Query<int>("select count(*)::int from waiting where institution = @Code", new { hospital.Code }))
            .Should().Equal(50 - capacity);
    }

    [Fact]
    public async Task Fifty_acceptances_at_once_share_no_bed()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward(beds: 5);
        var referrals = Enumerable.Range(0, 50).Select(_ => A.Referral(hospital).Needs("Bed")).ToList();

        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));

        var beds = await scheduling.Database.Query<Guid>("select bed_id from booking where institution = @Code and state = 'Booked'", new { hospital.Code });
        beds.Should().HaveCount(5).And.OnlyHaveUniqueItems();
    }

    [Fact]
    public async Task One_who_asks_and_one_who_frees_at_the_same_moment_never_miss_each_other()
    {
        var hospital = scheduling.NewInstitution();
        var departments = Enumerable.Range(1, 60).Select(n => $"{n:00}.01").ToList();
        foreach (var department in departments)
            await hospital.Slot(department: department);
        var holders = departments.Select(d => A.Referral(hospital).Department(d)).ToList();
        await scheduling.HearsAtOnce(holders.Select(r => r.Accepted()));
        var askers = departments.Select(d => A.Referral(hospital).Department(d)).ToList();

        await scheduling.HearsAtOnce(holders.Zip(askers).SelectMany(pair => new[] { pair.First.Cancelled(), pair.Second.Accepted() }));

        (await scheduling.Database.Query<string>("""
            select s.department from slot s join waiting w on w.institution = s.institution and w.department = s.department
            where s.institution = @Code and s.taken < s.capacity
            """, new { hospital.Code })).Should().BeEmpty("nobody waits while a place is free");
    }

    [Fact]
    public async Task Bookings_that_swap_slots_at_once_do_not_block_each_other()
    {
        var hospital = scheduling.NewInstitution();
        var slots = new[] { await hospital.Slot(day: 1, capacity: 3), await hospital.Slot(day: 2, capacity: 3) };
        var referrals = Enumerable.Range(0, 4).Select(_ => A.Referral(hospital)).ToList();
        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));
        var bookings = (await Task.WhenAll(referrals.Select(scheduling.Bookings))).Select(b => b.Single()).ToList();

        for (var round = 0; round < 5; round++)
        {
            var answers = await Task.WhenAll(bookings.Select(b => hospital.Registrar.Command($"/v1/bookings/{b.Id}/reschedule",
                new { reason = "PATIENT_REQUEST", slotId = b.SlotId == slots[0] ? slots[1] : slots[0] }, ifMatch: "*")));
            answers.Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Created || a.StatusCode == HttpStatusCode.Conflict);
            bookings = (await Task.WhenAll(referrals.Select(scheduling.Bookings))).Select(b => b.Single(x => x.State == "Booked")).ToList();
        }

        foreach (var slot in slots)
            (await scheduling.Database.Query<bool>("select taken <= capacity from slot where id = @slot", new { slot })).Should().Equal(true);
    }

    [Fact]
    public async Task The_database_itself_refuses_a_second_patient_in_a_full_slot()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        var referral = A.Referral(hospital);
        await scheduling.Hears(referral.Accepted());

        var copy = () => CopyBooking(referral);

        (await copy.Should().ThrowAsync<PostgresException>()).Which.ConstraintName.Should().Be("slot_is_never_overbooked");
    }

    [Fact]
    public async Task The_database_itself_refuses_a_second_patient_in_a_bed()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward();
        var referral = A.Referral(hospital).Needs("Bed");
        await scheduling.Hears(referral.Accepted());

        var copy = () => CopyBooking(referral);

        (await copy.Should().ThrowAsync<PostgresException>()).Which.ConstraintName.Should().Be("booking_has_the_bed_alone");
    }

    [Fact]
    public async Task The_service_may_not_write_the_number_of_patients_of_a_slot()
    {
        await using var connection = new NpgsqlConnection(scheduling.Database.App);
        await connection.OpenAsync();
        var write = () => new NpgsqlCommand("update slot set taken = 0", connection).ExecuteNonQueryAsync();
        (await write.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege);
    }

    // state Held, so that only the guard of the place can refuse it
    private Task<int> CopyBooking(AReferral referral) => scheduling.Database.Execute("""
        insert into booking (id, referral_id, leg, institution, department, resource, slot_id, bed_id, starts_at, ends_at,
            during, state, heard_sequence, code, held_until, created_at)
        select gen_random_uuid(), referral_id, leg, institution, department, resource, slot_id, bed_id, starts_at, ends_at,
            during, 'Held', heard_sequence, code, created_at + interval '1 year', created_at
        from booking where referral_id = @Id
        """, new { referral.Id });

    private async Task<int> Live(Guid slot) => (await scheduling.Database.Query<int>(
        "select count(*)::int from booking where slot_id = @slot and state in ('Held', 'Booked', 'Used')", new { slot })).Single();
}
