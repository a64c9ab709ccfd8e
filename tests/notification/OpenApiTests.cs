namespace NotificationService.Tests;

[Collection("service")]
public sealed class OpenApiTests(Service service)
{
    [Fact]
    public async Task The_checked_in_document_is_what_the_service_serves() => await Generated.ShouldBeFresh("services/notification/openapi.json",
        Generated.Pretty(await service.Anonymous().GetStringAsync("/openapi/v1.json")), "notification");

    [Fact]
    public async Task Every_operation_says_what_an_integrator_needs() =>
        Generated.ShouldExplainEveryOperation(await service.Anonymous().GetAsync("/openapi/v1.json").Json());
}
