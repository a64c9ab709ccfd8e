using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Alliances;
using ReferralService.Clients;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Clients;

/// <summary>A host whose clock nobody moves: tokens are judged by the machine's own.</summary>
public sealed class ClientsHost : ReferralHost;

/// <summary>The software of an institution: created, limited, given a new secret, revoked; and never anybody else's.</summary>
public sealed class ClientTests(ClientsHost host) : IClassFixture<ClientsHost>
{
    private HttpClient Head => host.As(ReferralHost.Township, "Head");

    private HttpClient With(string token) => host.WithToken(token);

    [Fact]
    public async Task The_secret_is_shown_once_and_kept_nowhere()
    {
        var key = Guid.NewGuid().ToString();
        var made = await Head.Command("/v1/clients", new { name = "HIS", scopes = new[] { "referral.read" } }, key: key);
        made.StatusCode.Should().Be(HttpStatusCode.Created);
        var client = await made.Json();
        var (id, secret) = (client.GetProperty("id").GetString()!, client.GetProperty("secret").GetString()!);
        made.Headers.Location!.ToString().Should().Be("/v1/clients/" + id);

        (await (await Head.GetAsync("/v1/clients/" + id)).Content.ReadAsStringAsync()).Should().NotContain("secret\"").And.NotContain(secret);
        (await (await Head.GetAsync("/v1/clients")).Content.ReadAsStringAsync()).Should().Contain(id).And.NotContain(secret);
        (await host.Database.Query<byte[]>("select hash from client_secret where client_id = @id", new { id })).Should().ContainSingle()
            .Which.Should().Equal(SHA256.HashData(Encoding.UTF8.GetBytes(secret)));
        (await host.Database.Query<string>("select body from idempotency_key where key = @key", new { key })).Single().Should().NotContain(secret).And.NotContain("rcs_");
        var again = await Head.Command("/v1/clients", new { name = "HIS", scopes = new[] { "referral.read" } }, key: key);
        again.Headers.GetValues("Idempotency-Replayed").Should().Equal("true");
        (await again.Json()).GetProperty("secret").GetString().Should().Be(secret);
        (await host.Database.Query<string>("select action from audit where target = @id order by id", new { id })).Should().Equal("create-client");
    }

    [Fact]
    public async Task A_token_says_who_what_and_how_much_for_five_minutes()
    {
        var client = await Machine.New(Head, perMinute: 120);
        var answer = await client.Asks(host.Anonymous(), "referral.read");
        answer.Headers.CacheControl!.NoStore.Should().BeTrue();
        var body = await answer.Json();
        (body.GetProperty("token_type").GetString(), body.GetProperty("expires_in").GetInt32(), body.GetProperty("scope").GetString())
            .Should().Be(("Bearer", 300, "referral.read"));
        var token = body.GetProperty("access_token").GetString()!;
        var claims = TokenRequests.Claims(token);
        claims.GetProperty("institution").GetString().Should().Be(ReferralHost.Township);
        claims.GetProperty("sub").GetString().Should().Be(client.Id);
        claims.GetProperty("limit").GetInt32().Should().Be(120);
        claims.GetProperty("synthetic").GetBoolean().Should().BeTrue();
        (claims.GetProperty("exp").GetInt64() - claims.GetProperty("iat").GetInt64()).Should().Be(300);
        (await With(token).GetAsync("/v1/referrals")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.Database.Query<string>("select verdict from audit where subject = @Id and action = 'issue-token'", new { client.Id })).Should().Equal("allowed");
    }

    [Fact]
    public async Task A_client_does_what_its_scopes_name_and_no_more()
    {
        var reader = await Machine.New(Head, ["referral.read"]);
        var token = await reader.Token(host.Anonymous());
        (await With(token).GetAsync("/v1/referrals")).StatusCode.Should().Be(HttpStatusCode.OK);
        var refused = await With(token).Command("/v1/referrals", JsonNode.Parse(A.UpwardSlip().ToJsonString()));
        refused.StatusCode.Should().Be(HttpStatusCode.Forbidden);
        refused.Headers.WwwAuthenticate.ToString().Should().Be("Bearer error=\"insufficient_scope\", scope=\"referral.write\"");
        (await host.Database.Query<string>("select verdict from audit where subject = @Id and action = 'createReferral'", new { reader.Id })).Should().Equal("denied");
        (await reader.Asks(host.Anonymous(), "referral.read referral.write").Error()).Should().Be("invalid_scope");
        var elsewhere = await Machine.New(Head, ["scheduling.read", "scheduling.write"]);
        (await With(await elsewhere.Token(host.Anonymous())).GetAsync("/v1/referrals")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task For_a_clinical_move_it_names_a_clinician_of_its_own_institution()
    {
        var client = await Machine.New(Head);
        var slip = A.UpwardSlip();
        (await With(await client.Token(host.Anonymous())).Command("/v1/referrals?submit=true", JsonNode.Parse(slip.ToJsonString()))).StatusCode
            .Should().Be(HttpStatusCode.Forbidden, "nobody answers for it");
        var own = (await host.Database.Query<string>("select id from clinician where institution = @at limit 1", new { at = ReferralHost.Township })).Single();
        var other = (await host.Database.Query<string>("select id from clinician where institution = @at limit 1", new { at = ReferralHost.Tertiary })).Single();
        (await client.Asks(host.Anonymous(), onBehalfOf: other).Error()).Should().Be("invalid_request");
        (await client.Asks(host.Anonymous(), onBehalfOf: "dr-nobody").Error()).Should().Be("invalid_request");
        (await client.Asks(host.Anonymous(), "referral.write", own).Error()).Should().Be("invalid_scope");

        var submitted = await With(await client.Token(host.Anonymous(), onBehalfOf: own)).Command("/v1/referrals?submit=true", JsonNode.Parse(slip.ToJsonString()));
        submitted.StatusCode.Should().Be(HttpStatusCode.Created);
        var id = (await submitted.Json()).GetProperty("id").GetGuid();
        (await host.Database.Query<string>("select subject || ' ' || role || ' ' || on_behalf_of from history where referral_id = @id and event = 'submitted'", new { id }))
            .Should().Equal($"{client.Id} Machine {own}");
    }

    [Fact]
    public async Task Its_limit_counts_in_any_minute_and_for_it_alone()
    {
        var client = await Machine.New(Head, ["referral.read"], perMinute: 5);
        var token = await client.Token(host.Anonymous());
        for (var i = 0; i < 5; i++)
            (await With(token).GetAsync("/v1/referrals?limit=1")).StatusCode.Should().Be(HttpStatusCode.OK);
        // another token of the same client is no second allowance
        foreach (var one in new[] { token, await client.Token(host.Anonymous()) })
        {
            var refused = await With(one).GetAsync("/v1/referrals?limit=1");
            refused.StatusCode.Should().Be(HttpStatusCode.TooManyRequests);
            refused.Headers.RetryAfter!.Delta.Should().BePositive().And.BeLessThanOrEqualTo(TimeSpan.FromMinutes(1));
        }
        var another = await Machine.New(Head, ["referral.read"], perMinute: 5);
        (await With(await another.Token(host.Anonymous())).GetAsync("/v1/referrals?limit=1")).StatusCode.Should().Be(HttpStatusCode.OK);

        var etag = (await Head.GetAsync("/v1/clients/" + client.Id)).Headers.ETag!.Tag;
        (await Changes(client.Id, new { perMinute = 50 }, null)).StatusCode.Should().Be(HttpStatusCode.PreconditionRequired);
        (await Changes(client.Id, new { perMinute = 50 }, etag)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Changes(client.Id, new { perMinute = 60 }, etag)).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed);
        (await With(await client.Token(host.Anonymous())).GetAsync("/v1/referrals?limit=1")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    private async Task<HttpResponseMessage> Changes(string id, object body, string? etag)
    {
        var request = new HttpRequestMessage(HttpMethod.Patch, "/v1/clients/" + id) { Content = new StringContent(JsonSerializer.Serialize(body), Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        if (etag is not null)
            request.Headers.TryAddWithoutValidation("If-Match", etag);
        return await Head.SendAsync(request);
    }

    [Fact]
    public async Task What_was_revoked_is_refused_at_once_and_stays_so()
    {
        var client = await Machine.New(Head);
        var token = await client.Token(host.Anonymous());
        (await With(token).GetAsync("/v1/referrals")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Head.Command($"/v1/clients/{client.Id}/revoke")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await With(token).GetAsync("/v1/referrals")).StatusCode.Should().Be(HttpStatusCode.Unauthorized);
        (await client.Asks(host.Anonymous()).Error()).Should().Be("invalid_client");
        (await (await Head.Command($"/v1/clients/{client.Id}/revoke")).Json()).GetProperty("state").GetString().Should().Be("Revoked");
        (await (await Head.Command($"/v1/clients/{client.Id}/rotate-secret")).Json()).GetProperty("code").GetString().Should().Be("client-revoked");
        (await host.Database.Query<string>("select action from audit where target = @Id order by id", new { client.Id })).Should().StartWith(["create-client", "revoke-client"]);
    }

    [Fact]
    public async Task Another_institution_sees_changes_and_uses_none_of_them()
    {
        var client = await Machine.New(Head);
        var other = host.As(ReferralHost.Tertiary, "Head");
        (await other.GetAsync("/v1/clients/" + client.Id)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await other.Command($"/v1/clients/{client.Id}/rotate-secret")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await other.Command($"/v1/clients/{client.Id}/revoke")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await (await other.GetAsync("/v1/clients")).Content.ReadAsStringAsync()).Should().NotContain(client.Id);

        // the office for a member that it names, and for no stranger to the alliance
        var office = host.As(ReferralHost.County, "AllianceOffice", onBehalfOf: ReferralHost.Township);
        (await office.GetAsync("/v1/clients/" + client.Id)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.As(ReferralHost.County, "AllianceOffice").GetAsync("/v1/clients/" + client.Id)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await host.As(ReferralHost.County, "AllianceOffice", onBehalfOf: ReferralHost.Stranger).Command("/v1/clients", new { name = "x", scopes = new[] { "referral.read" } }))
            .StatusCode.Should().Be(HttpStatusCode.Forbidden);

        // its token opens its own institution's referrals only, and no client makes another one
        var token = await (await Machine.New(host.As(ReferralHost.Stranger, "Head"))).Token(host.Anonymous());
        var referral = await A.Submitted(host);
        (await With(token).GetAsync($"/v1/referrals/{referral.Id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await With(await client.Token(host.Anonymous())).Command("/v1/clients", new { name = "x", scopes = new[] { "referral.read" } })).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Of_many_that_are_created_at_once_twenty_are_made()
    {
        var head = host.As(ReferralHost.OtherTownship, "Head");
        var answers = await Task.WhenAll(Enumerable.Range(0, 24).Select(_ => head.Command("/v1/clients", new { name = "x", scopes = new[] { "referral.read" } })));
        answers.Count(a => a.StatusCode == HttpStatusCode.Created).Should().Be(20);
        foreach (var refused in answers.Where(a => a.StatusCode != HttpStatusCode.Created))
            (await refused.Json()).GetProperty("code").GetString().Should().Be("too-many-clients");
    }

    [Fact]
    public async Task A_sandbox_client_gets_nothing_once_its_institution_is_a_real_one()
    {
        var sandbox = ReferralHost.Stranger;
        var client = await Machine.New(host.As(sandbox, "Head"));
        (await client.Asks(host.Anonymous())).StatusCode.Should().Be(HttpStatusCode.OK);
        try
        {
            await Becomes(sandbox, synthetic: false);
            (await client.Asks(host.Anonymous()).Error()).Should().Be("unauthorized_client");
            var real = await Machine.New(host.As(sandbox, "Head"));
            TokenRequests.Claims(await real.Token(host.Anonymous())).GetProperty("synthetic").GetBoolean().Should().BeFalse();
            // and a sandbox clinic's program refers nobody to the real one
            var clinic = await Machine.New(Head);
            var doctor = (await host.Database.Query<string>("select id from clinician where institution = @at limit 1", new { at = ReferralHost.Township })).Single();
            var slip = A.UpwardSlip();
            slip["to"]!["institution"] = sandbox;
            var refused = await With(await clinic.Token(host.Anonymous(), onBehalfOf: doctor)).Command("/v1/referrals?submit=true", JsonNode.Parse(slip.ToJsonString()));
            refused.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
            (await refused.Json()).GetProperty("errors").EnumerateArray().Should().Contain(e => e.GetProperty("pointer").GetString() == "/to/institution");
        }
        finally
        {
            await Becomes(sandbox, synthetic: true);
        }
    }

    private async Task Becomes(string code, bool synthetic)
    {
        var office = host.As(ReferralHost.County, "Operator");
        var stands = await office.GetAsync("/v1/institutions/" + code);
        var entry = JsonNode.Parse(await stands.Content.ReadAsStringAsync())!.AsObject();
        entry["synthetic"] = synthetic;
        var request = new HttpRequestMessage(HttpMethod.Put, "/v1/institutions/" + code) { Content = new StringContent(entry.ToJsonString(), Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("If-Match", stands.Headers.ETag!.Tag);
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        (await office.SendAsync(request)).StatusCode.Should().Be(HttpStatusCode.OK);
    }
}

[Collection("referral")]
public sealed class ClientOverlapTests(ReferralHost host)
{
    [Fact]
    public async Task Old_and_new_secret_open_for_a_day_and_then_the_new_one_alone()
    {
        var head = host.As(ReferralHost.County, "Head");
        var client = await Machine.New(head);
        async Task<string> Rotate(object? body = null) => (await (await head.Command($"/v1/clients/{client.Id}/rotate-secret", body)).Json()).GetProperty("secret").GetString()!;
        async Task<HttpStatusCode> Opens(string secret) => (await client.Asks(host.Anonymous(), secret: secret)).StatusCode;

        var second = await Rotate();
        (await Opens(client.Secret)).Should().Be(HttpStatusCode.OK);
        (await Opens(second)).Should().Be(HttpStatusCode.OK);
        host.Clock.Advance(TimeSpan.FromHours(23.9));
        (await Opens(client.Secret)).Should().Be(HttpStatusCode.OK);
        host.Clock.Advance(TimeSpan.FromHours(0.2));
        (await Opens(client.Secret)).Should().Be(HttpStatusCode.Unauthorized);
        (await Opens(second)).Should().Be(HttpStatusCode.OK);

        // one that leaked ends at once, and of three the oldest one does
        var third = await Rotate(new { overlapHours = 0 });
        (await Opens(second)).Should().Be(HttpStatusCode.Unauthorized);
        var fourth = await Rotate();
        var fifth = await Rotate();
        (await Opens(third)).Should().Be(HttpStatusCode.Unauthorized);
        (await Opens(fourth)).Should().Be(HttpStatusCode.OK);
        (await Opens(fifth)).Should().Be(HttpStatusCode.OK);
        await head.Command($"/v1/clients/{client.Id}/revoke");
    }

    [Fact]
    public async Task The_next_key_is_published_an_hour_before_it_signs_and_the_old_one_until_its_last_token_ends()
    {
        var head = host.As(ReferralHost.County, "Head");
        var client = await Machine.New(head);
        var keys = host.Services.GetRequiredService<TokenKeys>();
        async Task<string> Signer() => JsonDocument.Parse(Microsoft.IdentityModel.Tokens.Base64UrlEncoder.Decode((await client.Token(host.Anonymous())).Split('.')[0]))
            .RootElement.GetProperty("kid").GetString()!;
        async Task<string[]> Published() => [.. (await (await host.Anonymous().GetAsync("/oauth2/jwks")).Json()).GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("kid").GetString()!)];

        var old = await Signer();
        var next = await keys.Rotate(IssueToken.Lifetime + SigningKeys.Announced);
        (await Published()).Should().Contain([old, next]);
        (await Signer()).Should().Be(old);
        host.Clock.Advance(SigningKeys.Announced);
        (await Signer()).Should().Be(next);
        (await Published()).Should().Contain(old);
        host.Clock.Advance(SigningKeys.Announced + TimeSpan.FromMinutes(6));
        (await Published()).Should().Contain(next).And.NotContain(old);

        // one that got about: what it signed counts no more
        var fresh = await keys.Rotate(IssueToken.Lifetime, atOnce: true);
        (await Published()).Should().Equal(fresh);
        (await Signer()).Should().Be(fresh);
        await head.Command($"/v1/clients/{client.Id}/revoke");
    }
}
