using System.Text.Json;

namespace SchedulingService.Tests.Kit;

/// <summary>An institution with its staff at the keyboard.</summary>
internal sealed class Institution(Scheduling scheduling, string code)
{
    public string Code => code;

    public HttpClient As(string role, string subject = "person-1") => scheduling.Host.As(Issuer.Shared.Token(code, role, subject));

    public HttpClient Registrar => As("Registrar");

    /// <summary>Publishes one slot; <paramref name="day"/> counts from Monday, hours are UTC.</summary>
    public async Task<Guid> Slot(int day = 1, int hour = 1, int capacity = 1, string resource = "Slot", string department = "03.03", string? clinician = null)
    {
        var startsAt = Scheduling.Monday.AddDays(day).AddHours(hour);
        var answer = await Registrar.Command("/v1/slots", new
        {
            slots = new[] { new { department, resource, startsAt, endsAt = startsAt.AddMinutes(30), capacity, clinician } },
        }).Json();
        return answer.GetProperty("ids")[0].GetGuid();
    }

    public async Task<Guid> Ward(int beds = 1, string department = "03.03", string? eligibility = null)
    {
        var answer = await Registrar.Command("/v1/wards", new
        {
            name = "病区" + Guid.NewGuid().ToString("n")[..6], department, eligibility,
            beds = Enumerable.Range(1, beds).Select(n => n.ToString("00")),
        }).Json();
        return answer.GetProperty("id").GetGuid();
    }

    public Task<JsonElement> Booking(Guid id) => Registrar.GetAsync($"/v1/bookings/{id}").Json();
}
