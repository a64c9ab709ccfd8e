using TestKit;
using Xunit;

namespace SchedulingService.Tests;

[Collection(Scheduling.Name)]
public sealed class TokenAbuseTests(Scheduling scheduling) : TokenAbuse
{
    protected override HttpClient Anonymous => scheduling.Host.As(null);
    protected override string Readable => "/v1/waiting-list";
}
