using TestKit;
using Xunit;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class TokenAbuseTests(Scheduling scheduling) : TokenAbuse
{
    protected override HttpClient Anonymous => scheduling.Host.As(null);
    protected override string Readable => "/v1/waiting-list";
}

[Collection(Scheduling.Name)]
public sealed class ClientTokenAbuseTests(Scheduling scheduling) : ClientTokenAbuse
{
    protected override HttpClient Anonymous => scheduling.Host.As(null);
    protected override string Readable => "/v1/waiting-list";
    protected override Task<string> Sign(Dictionary<string, object> claims, string type) => Task.FromResult(ClientIssuer.Shared.Signed(claims, type));
}
