using Deployed;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>Begins with everything running; a failure shows what the services wrote last.</summary>
[Collection("alliance")]
public abstract class IntegrationTest(AllianceFixture alliance, ITestOutputHelper output) : IAsyncLifetime
{
    protected Alliance Alliance => alliance;
    protected Service Referral => alliance.Referral;
    protected Service Scheduling => alliance.Scheduling;
    protected Service Notification => alliance.Notification;

    public Task InitializeAsync() => alliance.Heal();

    public Task DisposeAsync()
    {
        foreach (var service in alliance.Services)
            output.WriteLine(service.Tail());
        return Task.CompletedTask;
    }

    /// <summary>The one value of a query on a service's database.</summary>
    protected static async Task<long> Count(Service service, string sql, object? parameters = null) =>
        (await service.Database.Query<long>(sql, parameters))[0];
}
