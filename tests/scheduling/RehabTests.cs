namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class RehabTests(Scheduling scheduling)
{
    private const string Joint = "RehabJointWard";

    [Fact]
    public async Task A_patient_of_the_joint_ward_gets_its_bed_before_any_other()
    {
        var clinic = scheduling.NewInstitution();
        await clinic.Slot(resource: "Visit", department: "02");
        await clinic.Ward(department: "21");
        var joint = await clinic.Ward(department: "21", eligibility: Joint);
        var referral = A.Referral(clinic).Needs("Ward", Joint).Department("02");

        await scheduling.Hears(referral.Accepted());

        var ward = await scheduling.Database.Query<Guid>(
            "select ward_id from booking k join bed b on b.id = k.bed_id where k.referral_id = @Id", new { referral.Id });
        ward.Should().Equal(joint);
        (await scheduling.Bookings(referral)).Single().Resource.Should().Be("Ward");
    }

    [Fact]
    public async Task Nobody_else_gets_a_bed_of_the_joint_ward()
    {
        var clinic = scheduling.NewInstitution();
        await clinic.Ward(department: "21", eligibility: Joint);
        var (bed, ward) = (A.Referral(clinic).Needs("Bed").Department("21"), A.Referral(clinic).Needs("Ward").Department("21"));

        await scheduling.Hears(bed.Accepted(), ward.Accepted());

        (await scheduling.SaidTypes(bed)).Should().Equal("no-capacity");
        (await scheduling.SaidTypes(ward)).Should().Equal("no-capacity");
    }

    [Fact]
    public async Task Without_a_free_bed_the_patient_gets_a_first_visit_of_any_department()
    {
        var clinic = scheduling.NewInstitution();
        var visit = await clinic.Slot(resource: "Visit", department: "02");
        var referral = A.Referral(clinic).Needs("Ward", Joint).Department("21");

        await scheduling.Hears(referral.Accepted());

        var booking = (await scheduling.Bookings(referral)).Single();
        booking.SlotId.Should().Be(visit);
        booking.Resource.Should().Be("Visit");
    }

    [Fact]
    public async Task Who_waits_for_either_is_served_by_what_comes_first()
    {
        var clinic = scheduling.NewInstitution();
        var (first, second) = (A.Referral(clinic).Needs("Ward", Joint), A.Referral(clinic).Needs("Ward", Joint).Later(TimeSpan.FromHours(1)));
        await scheduling.Hears(first.Accepted(), second.Accepted());

        await clinic.Slot(resource: "Visit", department: "02");
        await clinic.Ward(eligibility: Joint);

        (await scheduling.Bookings(first)).Single().Resource.Should().Be("Visit");
        (await scheduling.Bookings(second)).Single().Resource.Should().Be("Ward");
    }
}
