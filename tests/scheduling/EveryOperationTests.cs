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
        new("post /v1/bookings/{id}/confirm")
        {
            Thing = async () => [await Held()], Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("post /v1/bookings")
        {
            Thing = async () => [(await Booked()).Referral], Body = $$"""{"referral":"{thing}","slotId":"{{Guid.NewGuid()}}"}""",
            Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("post /v1/check-ins")
        {
            Thing = async () => [(await _hospital.Booking(Guid.Parse((await Booked()).Booking))).GetProperty("appointmentCode").GetString()!],
            Body = """{"code":"{thing}"}""", Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("get /v1/bookings")
        {
            Thing = async () => [(await Booked()).Referral], Query = "?referral={id}",
            Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("/v1/waiting-list/{referral}")
        {
            Thing = async () => [(await Booked()).Referral], Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("/v1/slot-issues") { Party = Registrar, Stranger = _stranger.Registrar, ForStranger = 200, WrongRole = _hospital.As("Insurer") },
        new("post /v1/pools/quota") { Party = Registrar, WrongRole = _hospital.As("Clinician") },
        new("/v1/pools") { Party = Registrar },
        new("/v1/waiting-list") { Party = Registrar, Stranger = _stranger.Registrar, ForStranger = 200, WrongRole = _hospital.As("Insurer") },
        new("post /v1/slots")
        {
            Body = """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2027-02-01T09:00:00+08:00","endsAt":"2027-02-01T09:30:00+08:00","capacity":1}]}""",
            Party = Registrar, WrongRole = _hospital.As("Clinician"),
        },
        new("/v1/slots/{id}")
        {
            Thing = async () => [(await _hospital.Slot(hour: Random.Shared.Next(1, 20))).ToString()],
            Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Clinician"),
        },
        new("/v1/wards/{id}")
        {
            Thing = Ward, Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Clinician"),
        },
        new("get /v1/wards/{id}") { Thing = Ward, Party = Registrar },
        new("/v1/wards/{id}/occupancy") { Thing = Ward, Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer") },
        new("/v1/wards/{id}/rounds")
        {
            Thing = Ward, Body = """{"clinician":"dr-1"}""", Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Insurer"),
        },
        new("post /v1/instructions") { Party = Registrar, WrongRole = _hospital.As("Clinician") },
        new("/v1/instructions") { Party = Registrar },
        new("post /v1/sessions") { Party = Registrar, WrongRole = _hospital.As("Clinician") },
        new("post /v1/sessions/{id}/change") { Thing = Session, Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Clinician") },
        new("post /v1/sessions/{id}/except") { Thing = Session, Party = Registrar, Stranger = _stranger.Registrar, WrongRole = _hospital.As("Clinician") },
        new("post /v1/calendar") { Party = Registrar, WrongRole = _hospital.As("Clinician") },
        new("/v1/sessions") { Thing = Session, Party = Registrar },
        new("/v1/calendar") { Party = Registrar },
        new("post /v1/wards") { Party = Registrar, WrongRole = _hospital.As("Clinician") },
        // what is free is no secret: whoever refers must see it
        new("/v1/slots") { Party = Registrar },
        new("/v1/wards") { Party = Registrar },
        new("/v1/capacity") { Party = Registrar },
        new("/v1/audit") { Party = _ => _hospital.As("Auditor"), WrongRole = _hospital.As("Head") },
    ];

    private HttpClient Registrar(Operation operation) => _hospital.Registrar;

    private async Task<string[]> Ward() => [(await _hospital.Ward(3, eligibility: "RehabJointWard")).ToString()];

    private async Task<string[]> Session() =>
        [(await _hospital.Registrar.Command("/v1/sessions", new
        {
            department = "03.04", resource = "Slot", pattern = new { weekdays = new[] { 1 }, from = "22:00", until = "23:00", validFrom = "2027-01-01" },
        }).Json()).GetProperty("id").GetString()!];

    private async Task<string> Held()
    {
        var slot = await _hospital.Slot(day: 20);
        var referral = A.Referral(_hospital);
        await scheduling.Hears(referral.Accepted());
        return (await _hospital.Registrar.Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = true }).Json()).GetProperty("id").GetString()!;
    }

    private async Task<(string Referral, string Booking)> Booked()
    {
        await _hospital.Slot(hour: Random.Shared.Next(1, 20));
        var referral = A.Referral(_hospital);
        await scheduling.Hears(referral.Accepted());
        return (referral.Id.ToString(), (await scheduling.Bookings(referral)).Single().Id.ToString());
    }
}
