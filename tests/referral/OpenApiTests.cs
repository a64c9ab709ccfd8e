using TestKit;
using Xunit;

namespace ReferralService.Tests;

[Collection("referral")]
public sealed class OpenApiTests(ReferralHost host)
{
    [Fact]
    public async Task The_checked_in_document_is_what_the_service_serves() => await Generated.ShouldBeFresh("services/referral/openapi.json",
        Generated.Pretty(await host.Anonymous().GetStringAsync("/openapi/v1.json")), "referral");

    [Fact]
    public async Task Every_operation_says_what_an_integrator_needs() =>
        Generated.ShouldExplainEveryOperation(await host.Anonymous().GetAsync("/openapi/v1.json").Json());
}
