using FluentAssertions;
using TestKit;

namespace Deployed;

/// <summary>Places enough for every patient of the tests, published by the institutions themselves.</summary>
public static class Supply
{
    public static async Task Publish(Alliance alliance)
    {
        var today = DateTimeOffset.UtcNow;
        IEnumerable<object> Slots(string department, string resource, int days) =>
            from day in Enumerable.Range(1, days)
            from hour in Enumerable.Range(0, 8)
            let startsAt = today.AddDays(day).AddHours(hour)
            select (object)new { department, resource, startsAt, endsAt = startsAt.AddHours(1), capacity = 1000 };
        await Send(alliance, Alliance.Tertiary, "/v1/slots", new { slots = Slots("03.03", "Slot", days: 3) });
        await Send(alliance, Alliance.Township, "/v1/slots", new { slots = Slots("02", "Visit", days: 9) });
        await Send(alliance, Alliance.Township, "/v1/wards", new
        {
            name = "康复联合病房", department = "21", eligibility = "RehabJointWard",
            beds = Enumerable.Range(1, 100).Select(bed => bed.ToString("000")),
        });
    }

    private static async Task Send(Alliance alliance, string institution, string path, object body)
    {
        using var answer = await alliance.Scheduling.As(institution, "Registrar").Command(path, body);
        ((int)answer.StatusCode).Should().Be(201, "{0} answered {1}", path, await answer.Content.ReadAsStringAsync());
    }
}
