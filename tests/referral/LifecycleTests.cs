using System.Text;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Workflow;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

[Collection("referral")]
public sealed class LifecycleTests(ReferralHost host)
{
    [Fact]
    public async Task The_lifecycle_diagram_shows_the_machine_as_it_is() =>
        await Generated.ShouldBeFresh("services/referral/lifecycle.md", Lifecycle.Write(host.Services.GetRequiredService<MoveIndex>()), "referral");
}
