using TestKit;
using Xunit;

namespace ReferralService.Tests.Http;

[Collection("referral")]
public sealed class TokenAbuseTests(ReferralHost host) : TokenAbuse
{
    protected override HttpClient Anonymous => host.Anonymous();
    protected override string Readable => "/v1/referrals";
}
