namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class AcceptedTests(Scheduling scheduling)
{
    [Fact]
    public async Task Accepting_books_the_earliest_fitting_slot_and_says_so()
    {
        var hospital = scheduling.NewInstitution();
        await hospital.Slot(day: 3);
        var early = await hospital.Slot(day: 1, clinician: "dr-1");
        await hospital.Slot(day: 0, department: "03.04");
        await hospital.Slot(day: 0, resource: "Equipment");
        var referral = A.Referral(hospital);

        await scheduling.Hears(referral.Accepted());

        var booking = (await scheduling.Bookings(referral)).Should().ContainSingle().Subject;
        booking.SlotId.Should().Be(early);
        booking.State.Should().Be("Booked");
        var said = (await scheduling.Said(referral)).Should().ContainSingle().Subject;
        said.GetProperty("type").GetString().Should().Be("scheduling.booked");
        said.GetProperty("data").GetProperty("bookingId").GetGuid().Should().Be(booking.Id);
    }
}
