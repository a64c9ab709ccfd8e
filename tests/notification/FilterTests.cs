using Referrals.Contracts;

namespace NotificationService.Tests;

/// <summary>What an endpoint wants.</summary>
public sealed class FilterTests
{
    private static readonly FilteredEvent Event = new("referral.up.accepted", "Up", "Urgent", "03.01", ["A", "B"]);

    [Theory]
    [InlineData(true)]
    [InlineData(true, "referral.up.*")]
    [InlineData(false, "referral.down.*")]
    [InlineData(true, null, "Up")]
    [InlineData(false, null, "Down")]
    [InlineData(true, null, null, "Urgent")]
    [InlineData(false, null, null, "Emergency")]
    [InlineData(true, null, null, null, "03")]
    [InlineData(true, null, null, null, "03.01")]
    [InlineData(false, null, null, null, "03.02")]
    [InlineData(false, null, null, null, "0")]
    [InlineData(true, null, null, null, null, "B")]
    [InlineData(false, null, null, null, null, "C")]
    [InlineData(false, "referral.up.*", "Up", "Urgent", "03", "C")]
    [InlineData(true, "referral.up.*", "Up", "Urgent", "03", "A")]
    public void Every_part_of_a_filter_narrows_it(bool wanted, string? type = null, string? direction = null, string? priority = null, string? department = null, string? partner = null) =>
        Filter(type, direction, priority, department, partner).Wants(Event, masked: false).Should().Be(wanted);

    [Fact]
    public void An_event_without_a_member_passes_no_filter_by_it()
    {
        var capacity = new FilteredEvent("scheduling.capacity-changed", null, null, null, ["A"]);
        Filter().Wants(capacity, false).Should().BeTrue();
        Filter(direction: "Up").Wants(capacity, false).Should().BeFalse();
        Filter(priority: "Urgent").Wants(capacity, false).Should().BeFalse();
        Filter(department: "03").Wants(capacity, false).Should().BeFalse();
    }

    [Fact]
    public void A_filter_by_department_tells_nothing_about_a_masked_event() =>
        Filter(department: "03").Wants(Event, masked: true).Should().BeFalse();

    private static EventFilter Filter(string? type = null, string? direction = null, string? priority = null, string? department = null, string? partner = null) => new()
    {
        Types = Listed(type), Direction = direction, Priorities = Listed(priority), Departments = Listed(department), Partners = Listed(partner),
    };

    private static string[] Listed(string? one) => one is null ? [] : [one];
}

[Collection("service")]
public sealed class FilteredDeliveryTests(Service service)
{
    [Fact]
    public async Task An_endpoint_receives_only_what_passes_direction_priority_department_and_partner()
    {
        await using var receiver = await Receiver.Start();
        var owner = A.Institution();
        var partner = A.Institution();
        var answer = await service.As(owner).Command("/v1/endpoints", new
        {
            url = receiver.Url, direction = "Up", priorities = new[] { "Urgent", "Emergency" }, departments = new[] { "03" }, partners = new[] { partner },
        });
        answer.StatusCode.Should().Be(System.Net.HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        var endpoint = await answer.Json();
        endpoint.GetProperty("direction").GetString().Should().Be("Up");
        endpoint.GetProperty("partners")[0].GetString().Should().Be(partner);
        ReferralFacts Fits(ReferralFacts f) => f with { Priority = Priority.Urgent, Department = "03.04" };
        await service.Publish(
            A.Referral(owner, partner).Next("submitted", f => Fits(f) with { Priority = Priority.Routine }),
            A.Referral(owner, partner).Next("submitted", f => Fits(f) with { Department = "04" }),
            A.Referral(owner, A.Institution()).Next("submitted", Fits),
            A.Referral(owner, partner).Next("submitted", f => Fits(f) with { Direction = Direction.Down }));
        var wanted = A.Referral(owner, partner).Next("submitted", Fits);
        await service.Publish(wanted);
        await receiver.Has(1, "the one that fits");
        await Task.Delay(300);
        receiver.Requests.Should().ContainSingle().Which.Body.Should().Be(wanted.Body);
    }

    [Theory]
    [InlineData("direction", "\"Sideways\"")]
    [InlineData("priorities/0", "[\"Sometimes\"]")]
    [InlineData("departments/0", "[\"\"]")]
    [InlineData("partners/0", "[\"short\"]")]
    public async Task A_filter_that_can_never_fit_is_refused_with_400(string pointer, string value)
    {
        var body = System.Text.Json.JsonDocument.Parse($$"""{"url":"http://127.0.0.1:7/","{{pointer.Split('/')[0]}}":{{value}}}""").RootElement;
        var answer = await service.As(A.Institution()).Command("/v1/endpoints", body);
        answer.StatusCode.Should().Be(System.Net.HttpStatusCode.BadRequest);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().StartWith("/" + pointer.Split('/')[0]);
    }
}
