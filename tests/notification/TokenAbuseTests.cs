namespace NotificationService.Tests;

[Collection("service")]
public sealed class TokenAbuseTests(Service service) : TokenAbuse
{
    protected override HttpClient Anonymous => service.Anonymous();
    protected override string Readable => "/v1/events";
}
