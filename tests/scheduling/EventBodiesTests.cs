using System.Text.Json;
using Referrals.Contracts;

namespace SchedulingService.Tests;

public sealed class EventBodiesTests
{
    public static TheoryData<string> Types => [.. SchedulingEvents.All.Select(e => e.Name)];

    [Theory]
    [MemberData(nameof(Types))]
    public void An_event_says_what_its_list_allows_and_nothing_else(string type)
    {
        var everything = new SchedulingFacts
        {
            ReferralId = Guid.NewGuid(), ReferralNo = "ZZ1", Leg = 1, Attempt = 1, BookingId = Guid.NewGuid(),
            ReplacedBookingId = Guid.NewGuid(), Institution = "I", Department = "03.03", Resource = "Slot",
            StartsAt = Scheduling.Monday, EndsAt = Scheduling.Monday, Clinician = "dr-1", Place = "P", Bring = ["B"], CodeHash = "h", Reason = "R",
            By = "System", FromPool = true, Free = [new(new(2027, 1, 4), 1)],
        };

        using var body = JsonDocument.Parse(EventBodies.Write(Guid.NewGuid(), type, "ZZ1", Scheduling.Monday, everything, null));

        var allowed = SchedulingEvents.Always.Concat(SchedulingEvents.All.Single(e => e.Name == type).Members);
        body.RootElement.GetProperty("data").EnumerateObject().Select(m => m.Name).Should().BeEquivalentTo(allowed);
        body.RootElement.EnumerateObject().Select(m => m.Name).Where(n => n != "traceparent").Should()
            .Equal("specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data");
    }
}
