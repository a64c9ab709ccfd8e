using FluentAssertions;
using TestKit;

namespace Integration.Tests.Kit;

/// <summary>Places enough for every patient of the tests, published by the institutions themselves.</summary>
internal static class Supply
{
    public static async Task Publish(Alliance alliance)
    {
        var today = DateTimeOffset.UtcNow;
        object Slot(string department, string resource, int day) => new
        {
            department, resource, startsAt = today.AddDays(day), endsAt = today.AddDays(day).AddHours(1), capacity = 1000,
        };
        await Send(alliance, Alliance.Tertiary, "/v1/slots", new { slots = Enumerable.Range(1, 3).Select(day => Slot("03.03", "Slot", day)) });
        await Send(alliance, Alliance.Township, "/v1/slots", new { slots = Enumerable.Range(1, 9).Select(day => Slot("02", "Visit", day)) });
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
