namespace SchedulingService.Tests;

/// <summary>Every operation of the scheduling service; a new one needs a line here only when it is about something new.</summary>
[Collection(Scheduling.Name)]
public sealed class EveryOperationTests(Scheduling scheduling) : EveryOperation<EveryOperationTests>, IOperationsOf
{
    private readonly Institution _hospital = scheduling.NewInstitution();
    private readonly Institution _stranger = scheduling.NewInstitution();

    public static string Service => "scheduling";

    protected override TestDatabase Database => scheduling.Database;
    protected override HttpClient Anonymous => scheduling.Host.As(null);
    protected override string Denied => "verdict = 'denied'";

    protected override IReadOnlyList<OperationLine> Table =>
    [
        new("/v1/bookings/{id}") { Thing = async () => [(await Booked()).Booking], Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer") },
        new("post /v1/bookings/{id}/reschedule")
        {
            Thing = async () => [(await Booked()).Booking], Body = $$"""{"reason":"PATIENT_REQUEST","slotId":"{{Guid.NewGuid()}}"}""",
            Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("get /v1/bookings")
        {
            Thing = async () => [(await Booked()).Referral], Query = "?referral={id}",
            Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("/v1/waiting-list") { Party = Registrar, Stranger = _stranger.Registrar, ForStranger = 200, WrongRole = _hospital.As("Insurer") },
        new("post /v1/slots")
        {
            Body = """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-02-01T09:00:00+08:00","endsAt":"2027-02-01T09:30:00+08:00","capacity":1}]}""",
            Party = Registrar, WrongRole = _hospital.As("Clinician"),
        },
        new("post /v1/wards") { Party = Registrar, WrongRole = _hospital.As("Clinician") },
        // what is free is no secret: whoever refers must see it
        new("/v1/slots") { Party = Registrar },
        new("/v1/wards") { Party = Registrar },
        new("/v1/capacity") { Party = Registrar },
        new("/v1/audit") { Party = _ => _hospital.As("Auditor"), WrongRole = _hospital.As("Head") },
    ];

    private HttpClient Registrar(Operation operation) => _hospital.Registrar;

    private async Task<(string Referral, string Booking)> Booked()
    {
        await _hospital.Slot(hour: Random.Shared.Next(1, 20));
        var referral = A.Referral(_hospital);
        await scheduling.Hears(referral.Accepted());
        return (referral.Id.ToString(), (await scheduling.Bookings(referral)).Single().Id.ToString());
    }
}
