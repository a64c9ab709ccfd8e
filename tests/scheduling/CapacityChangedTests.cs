using System.Text.Json;
using Referrals.Contracts;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class CapacityChangedTests(Scheduling scheduling)
{
    [Fact]
    public async Task Published_slots_are_told_by_day_and_kind()
    {
        var hospital = scheduling.NewInstitution();

        await hospital.Slot(day: 1, capacity: 3);
        await hospital.Slot(day: 1, hour: 3, capacity: 2);
        await hospital.Slot(day: 2);
        await hospital.Slot(day: 2, resource: "Equipment", department: "32.02");

        await Told(hospital, "03.03", "Slot", "2027-01-05:5 2027-01-06:1");
        await Told(hospital, "32.02", "Equipment", "2027-01-06:1");
        var said = scheduling.SaidOfCapacity(hospital)[0];
        said.GetProperty("type").GetString().Should().Be("scheduling.capacity-changed");
        said.GetProperty("data").EnumerateObject().Select(m => m.Name).Should().BeEquivalentTo("institution", "department", "resource", "free");
    }

    [Fact]
    public async Task A_day_is_the_day_in_China()
    {
        var hospital = scheduling.NewInstitution();

        await hospital.Slot(day: 1, hour: 17);

        await Told(hospital, "03.03", "Slot", "2027-01-06:1");
    }

    [Fact]
    public async Task A_booking_takes_one_away_and_its_end_gives_it_back()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(capacity: 2);
        await Told(hospital, "03.03", "Slot", "2027-01-05:2");
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted());
        await Told(hospital, "03.03", "Slot", "2027-01-05:1");

        await scheduling.Hears(referral.Cancelled());
        await Told(hospital, "03.03", "Slot", "2027-01-05:2");
    }

    [Fact]
    public async Task Nothing_free_is_told_as_an_empty_list()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot();
        await scheduling.Hears(A.Referral(hospital).Accepted());

        await Told(hospital, "03.03", "Slot", "");
    }

    [Fact]
    public async Task Free_beds_stand_under_today_and_those_of_a_joint_ward_apart()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Ward(beds: 3);
        await hospital.Ward(beds: 2, department: "21", eligibility: "RehabJointWard");

        await scheduling.Hears(A.Referral(hospital).Needs("Bed").Accepted());

        await Told(hospital, "03.03", "Bed", "2027-01-04:2");
        await Told(hospital, "21", "Ward", "2027-01-04:2");
    }

    [Fact]
    public async Task Many_changes_become_few_events_and_the_one_with_the_latest_time_is_the_truth()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(capacity: 200);
        var referrals = Enumerable.Range(0, 150).Select(_ => A.Referral(hospital)).ToList();

        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));

        await Told(hospital, "03.03", "Slot", "2027-01-05:50");
        var times = scheduling.SaidOfCapacity(hospital).Select(s => s.GetProperty("time").GetDateTimeOffset()).ToList();
        times.Should().OnlyHaveUniqueItems("the clock stands, and yet each event is later than the one before");
        times.Count.Should().BeLessThan(100);
    }

    [Fact]
    public async Task What_did_not_change_is_not_told_again()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(capacity: 2);
        await Told(hospital, "03.03", "Slot", "2027-01-05:2");

        await scheduling.Database.Execute("update slot set capacity = capacity where institution = @Code", new { hospital.Code });
        await Eventually.Is(async () => (await scheduling.Database.Query<int>(
            "select count(*)::int from capacity_change where institution = @Code", new { hospital.Code })).Single() == 0, "the mark is gone");
        await hospital.Slot(resource: "Equipment");
        await Told(hospital, "03.03", "Equipment", "2027-01-05:1");

        scheduling.SaidOfCapacity(hospital).Count(s => s.GetProperty("data").GetProperty("resource").GetString() == "Slot").Should().Be(1);
    }

    [Fact]
    public void What_it_carries_is_what_its_readers_are_promised() =>
        SchedulingEvents.All.Single(e => e.Name == SchedulingEvents.CapacityChanged).Members.Should().Equal("free");

    private Task Told(Institution institution, string department, string resource, string free) => Eventually.Is(() =>
    {
        var last = scheduling.SaidOfCapacity(institution).Select(s => s.GetProperty("data")).LastOrDefault(d =>
            d.GetProperty("department").GetString() == department && d.GetProperty("resource").GetString() == resource);
        return Task.FromResult(last.ValueKind == JsonValueKind.Object && string.Join(' ', last.GetProperty("free").EnumerateArray()
            .Select(f => $"{f.GetProperty("on").GetString()}:{f.GetProperty("count").GetInt32()}")) == free);
    }, $"{department} {resource} is told as '{free}'");
}
