using System.Diagnostics;
using System.Net;
using System.Text.Json;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using ReferralService.Certificates;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

/// <summary>The certificate an insurer relies on: verified by a library that is not ours, used once, revoked with what it certifies.</summary>
public sealed class CertificateTests(ReferralHost host) : IClassFixture<ReferralHost>
{
    private HttpClient Insurer => host.As("91210600INSURER001", "Insurer", "insurer-1", purpose: "PAYMENT");

    [Fact]
    public async Task An_insurer_verifies_it_with_the_published_keys_alone()
    {
        var referral = await A.Accepted(host);
        var certificate = await Certificate(referral);
        certificate.GetProperty("status").GetString().Should().Be("Valid");

        var verdict = await Verify(certificate.GetProperty("signed").GetString()!);
        verdict.GetProperty("valid").GetBoolean().Should().BeTrue();
        var payload = verdict.GetProperty("payload");
        payload.GetProperty("sub").GetString().Should().Be(referral.No);
        payload.GetProperty("jti").GetString().Should().Be(referral.No + "-1");
        payload.GetProperty("certificate").GetProperty("from").GetProperty("code").GetString().Should().Be(ReferralHost.Township);
        payload.GetProperty("certificate").GetProperty("to").GetProperty("code").GetString().Should().Be(ReferralHost.Tertiary);
    }

    [Fact]
    public async Task A_copy_that_was_changed_or_signed_by_somebody_else_is_refused()
    {
        var signed = (await Certificate(await A.Accepted(host))).GetProperty("signed").GetString()!;
        var parts = signed.Split('.');
        var forged = System.Buffers.Text.Base64Url.EncodeToString(
            System.Text.Encoding.UTF8.GetBytes(System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(parts[1])).Replace(ReferralHost.Tertiary, ReferralHost.County)));
        (await Verify($"{parts[0]}.{forged}.{parts[2]}")).GetProperty("code").GetString().Should().Be("ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
        var none = System.Buffers.Text.Base64Url.EncodeToString("{\"alg\":\"none\",\"typ\":\"referral-certificate+jwt\"}"u8);
        (await Verify($"{none}.{parts[1]}.")).GetProperty("valid").GetBoolean().Should().BeFalse();
        (await Verify(signed, host.Clock.GetUtcNow().AddDays(60))).GetProperty("code").GetString().Should().Be("ERR_JWT_EXPIRED");
    }

    [Fact]
    public async Task It_says_nothing_of_the_illness_and_no_name()
    {
        var certificate = await Certificate(await A.Accepted(host, slip =>
        {
            slip["patient"] = new System.Text.Json.Nodes.JsonObject { ["name"] = "欧阳秘密", ["sex"] = "2", ["age"] = 60, ["idType"] = "ResidentId", ["idNo"] = "11010519491231002X" };
            slip["diagnosis"] = new System.Text.Json.Nodes.JsonObject { ["system"] = "ICD-10-CN", ["code"] = "I63.900", ["text"] = "脑梗死" };
        }));
        var text = certificate.GetRawText() + System.Text.Encoding.UTF8.GetString(System.Buffers.Text.Base64Url.DecodeFromChars(certificate.GetProperty("signed").GetString()!.Split('.')[1]));
        foreach (var secret in new[] { "欧阳秘密", "秘密", "11010519491231002X", "I63", "脑梗", "\"department\"", "高血压" })
            text.Should().NotContain(secret);
        text.Should().Contain("欧*");
    }

    [Fact]
    public async Task Arriving_uses_it_once_and_for_all()
    {
        var referral = await A.Accepted(host);
        await referral.Does("arrive", new { identifiedBy = "IdCard" });
        var certificate = await Certificate(referral);
        certificate.GetProperty("status").GetString().Should().Be("Used");
        certificate.GetProperty("since").GetDateTimeOffset().Should().BeCloseTo(host.Clock.GetUtcNow(), TimeSpan.FromSeconds(1));
        (await referral.Tries("arrive", new { identifiedBy = "IdCard" })).StatusCode.Should().Be(HttpStatusCode.Conflict, "nobody arrives twice with one certificate");
        (await Verify(certificate.GetProperty("signed").GetString()!)).GetProperty("payload").GetProperty("certificate").GetProperty("status").GetString().Should().Be("Used");
    }

    [Theory]
    [InlineData("request-cancellation", "confirm-cancellation", "Cancelled")]
    [InlineData("withdraw-acceptance", null, "Declined")]
    [InlineData("close", null, "Closed")]
    [InlineData("mark-in-error", null, "EnteredInError")]
    public async Task It_is_revoked_with_what_it_certifies(string verb, string? then, string reason)
    {
        var referral = await A.Accepted(host);
        await referral.Does(verb);
        if (then is not null)
            await referral.Does(then);
        var certificate = await Certificate(referral);
        certificate.GetProperty("status").GetString().Should().Be("Revoked");
        certificate.GetProperty("reason").GetString().Should().Be(reason);
        certificate.TryGetProperty("signed", out _).Should().BeFalse("nothing revoked is signed anew");
    }

    [Fact]
    public async Task What_was_used_and_then_marked_in_error_is_revoked()
    {
        var referral = await A.Arrived(host);
        await referral.Does("mark-in-error");
        (await Certificate(referral)).GetProperty("status").GetString().Should().Be("Revoked");
    }

    [Fact]
    public async Task A_redirect_revokes_the_first_leg_and_the_next_acceptance_makes_a_new_one()
    {
        var referral = await A.Accepted(host);
        await referral.Redirected(ReferralHost.County);
        (await Certificate(referral, "-1")).GetProperty("reason").GetString().Should().Be("Redirected");
        (await Insurer.GetAsync($"/v1/certificates/{referral.No}-2")).StatusCode.Should().Be(HttpStatusCode.NotFound, "nobody has accepted it there");
        await referral.Does("accept", new { department = "03.03" });
        var second = await Certificate(referral, "-2");
        second.GetProperty("status").GetString().Should().Be("Valid");
        second.GetProperty("to").GetProperty("code").GetString().Should().Be(ReferralHost.County);
    }

    [Fact]
    public async Task It_runs_out_and_says_so()
    {
        var referral = await A.Accepted(host);
        var certificate = await Certificate(referral);
        certificate.GetProperty("validUntil").GetDateTimeOffset().Should().BeCloseTo(host.Clock.GetUtcNow().AddDays(30), TimeSpan.FromSeconds(2));
        var leg = new CertifiedLeg { IssuedAt = host.Clock.GetUtcNow(), IsLast = true };
        leg.StandsAt(host.Clock.GetUtcNow().AddDays(30).AddSeconds(1)).Status.Should().Be(CertificateStatus.Expired);
        (leg with { ExpectedAt = host.Clock.GetUtcNow().AddDays(40) }).StandsAt(host.Clock.GetUtcNow().AddDays(41)).Status.Should().Be(CertificateStatus.Valid);
    }

    [Fact]
    public async Task The_chain_has_the_episode_with_its_admissions()
    {
        var parent = await A.Treated(host);
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        var child = await parent.Returned();
        await child.Does("accept", new { department = "02" });
        await child.Does("arrive", new { identifiedBy = "Slip" });
        host.Clock.Advance(TimeSpan.FromMinutes(1));
        var again = await child.Creates("re-refer");
        await again.Does("accept", new { department = "03.03" });
        await again.Does("arrive", new { identifiedBy = "IdCard" });

        var chain = (await Certificate(again)).GetProperty("chain").EnumerateArray().ToArray();
        chain.Select(c => c.GetProperty("direction").GetString()).Should().Equal("Up", "Down", "Up");
        chain.Select(c => c.GetProperty("referralNo").GetString()).Should().Equal(parent.No, child.No, again.No);
        chain.Count(c => c.TryGetProperty("admittedAt", out var _)).Should().Be(3);
        (await Certificate(child)).GetProperty("chain").GetArrayLength().Should().Be(3);
        await parent.Does("mark-in-error");
        (await Certificate(again)).GetProperty("chain").GetArrayLength().Should().Be(2, "an error is no admission");
    }

    [Fact]
    public async Task The_holder_is_compared_by_number_and_nothing_is_told()
    {
        var referral = await A.Accepted(host, slip => slip["patient"] = new System.Text.Json.Nodes.JsonObject
        {
            ["name"] = "张三", ["sex"] = "1", ["age"] = 60, ["idType"] = "ResidentId", ["idNo"] = "440524188001010014",
        });
        async Task<bool> Matches(string number) =>
            (await Insurer.Command($"/v1/certificates/{referral.No}-1/holder", new { idType = "ResidentId", idNo = number }).Json()).GetProperty("matches").GetBoolean();
        (await Matches("440524188001010014")).Should().BeTrue();
        (await Matches("110101199003074215")).Should().BeFalse();
        (await Insurer.Command($"/v1/certificates/{referral.No}-1/holder", new { idType = "ResidentId" })).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task Insurers_and_parties_see_it_and_nobody_else()
    {
        var referral = await A.Accepted(host);
        var path = $"/v1/certificates/{referral.No}-1";
        (await host.As(ReferralHost.Township).GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.As(ReferralHost.Tertiary, "Registrar").GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await host.As(ReferralHost.Stranger).GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await host.As(ReferralHost.Stranger, "Regulator").GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await host.As(ReferralHost.Tertiary, "Operator").GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await Insurer.GetAsync(path)).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Insurer.GetAsync($"/v1/referrals/{referral.No}/certificate")).StatusCode.Should().Be(HttpStatusCode.NotFound, "the referral itself is none of the insurer's business");
        (await host.Database.Query<string>("select verdict from audit where referral_id = @Id and action = 'certificate' order by id", new { referral.Id }))
            .Should().Equal("allowed", "allowed", "denied", "denied", "denied", "allowed", "denied");
    }

    [Theory]
    [InlineData("U000000000000000-1")]
    [InlineData("-1")]
    [InlineData("'; drop table referral; --")]
    [InlineData("%")]
    [InlineData("U1-1-1")]
    [InlineData("U1-999999999999")]
    public async Task A_number_that_is_none_is_404(string no) =>
        (await Insurer.GetAsync("/v1/certificates/" + Uri.EscapeDataString(no))).StatusCode.Should().Be(HttpStatusCode.NotFound);

    [Fact]
    public async Task Before_the_acceptance_there_is_none()
    {
        var referral = await A.Submitted(host);
        (await host.As(ReferralHost.Township).GetAsync($"/v1/referrals/{referral.No}/certificate")).StatusCode.Should().Be(HttpStatusCode.Conflict);
        (await Insurer.GetAsync($"/v1/certificates/{referral.No}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
    }

    [Fact]
    public async Task A_new_key_is_published_before_it_signs_and_the_old_one_until_its_last_copy_has_run_out()
    {
        var keys = host.Services.GetRequiredService<CertificateKeys>();
        var referral = await A.Accepted(host);
        var old = (await Certificate(referral)).GetProperty("signed").GetString()!;
        var kid = await keys.Rotate(Certificates.Certificates.LongestSignature);

        (await Kids()).Should().HaveCount(2).And.Contain(kid);
        KidOf((await Certificate(referral)).GetProperty("signed").GetString()!).Should().NotBe(kid, "verifiers do not know it yet");
        host.Clock.Advance(CertificateKeys.Announced);
        var signed = (await Certificate(referral)).GetProperty("signed").GetString()!;
        KidOf(signed).Should().Be(kid);
        (await Verify(signed)).GetProperty("valid").GetBoolean().Should().BeTrue();
        (await Verify(old)).GetProperty("valid").GetBoolean().Should().BeTrue("what was signed before is as good as it was");
        host.Clock.Advance(Certificates.Certificates.LongestSignature);
        (await Kids()).Should().Equal(kid);
        host.Clock.Advance(-Certificates.Certificates.LongestSignature - CertificateKeys.Announced);
    }

    [Fact]
    public async Task No_private_key_stands_open_in_the_database_or_in_the_key_set()
    {
        await Certificate(await A.Accepted(host));
        var set = await host.Anonymous().GetAsync("/.well-known/jwks.json").Json();
        foreach (var key in set.GetProperty("keys").EnumerateArray())
            key.EnumerateObject().Select(p => p.Name).Should().BeEquivalentTo("kty", "crv", "use", "alg", "kid", "x", "y");
        (await host.Database.Query<int>("select length(private_key) from certificate_key")).Should().OnlyContain(l => l == 12 + 32 + 16, "nonce, sealed scalar, tag");
    }

    private async Task<JsonElement> Certificate(A referral, string leg = "")
    {
        var answer = await Insurer.GetAsync($"/v1/certificates/{referral.No}{leg}");
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        return await answer.Json();
    }

    private async Task<string[]> Kids() =>
        [.. (await host.Anonymous().GetAsync("/.well-known/jwks.json").Json()).GetProperty("keys").EnumerateArray().Select(k => k.GetProperty("kid").GetString()!)];

    private static string KidOf(string signed) =>
        JsonDocument.Parse(System.Buffers.Text.Base64Url.DecodeFromChars(signed.Split('.')[0])).RootElement.GetProperty("kid").GetString()!;

    // jose, from npm, with the key set as a file: nothing of ours verifies itself
    private async Task<JsonElement> Verify(string signed, DateTimeOffset? at = null)
    {
        var folder = Generated.Source("tests/referral/npm");
        await Install(folder);
        var set = Path.GetTempFileName();
        await File.WriteAllTextAsync(set, await host.Anonymous().GetStringAsync("/.well-known/jwks.json"));
        var output = await Run("node", folder, signed, "verify.mjs", set, (at ?? host.Clock.GetUtcNow()).UtcDateTime.ToString("O"));
        File.Delete(set);
        return JsonDocument.Parse(output).RootElement.Clone();
    }

    private static readonly SemaphoreSlim Gate = new(1, 1);

    private static async Task Install(string folder)
    {
        await Gate.WaitAsync();
        try
        {
            if (!Directory.Exists(Path.Combine(folder, "node_modules/jose")))
                await Run("npm", folder, "", "ci", "--loglevel=error");
        }
        finally
        {
            Gate.Release();
        }
    }

    private static async Task<string> Run(string program, string folder, string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        })!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var output = await process.StandardOutput.ReadToEndAsync();
        var errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync().WaitAsync(TimeSpan.FromMinutes(3));
        process.ExitCode.Should().Be(0, "{0} {1}: {2}", program, arguments[0], errors);
        return output;
    }
}
