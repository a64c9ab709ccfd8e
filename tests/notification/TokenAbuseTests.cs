namespace NotificationService.Tests;

[Collection("service")]
public sealed class TokenAbuseTests(Service service) : TokenAbuse
{
    protected override HttpClient Anonymous => service.Anonymous();
    protected override string Readable => "/v1/events";
}

[Collection("service")]
public sealed class ClientTokenAbuseTests(Service service) : ClientTokenAbuse
{
    protected override HttpClient Anonymous => service.Anonymous();
    protected override string Readable => "/v1/events";
    protected override Task<string> Sign(Dictionary<string, object> claims, string type) => Task.FromResult(ClientIssuer.Shared.Signed(claims, type));
}
