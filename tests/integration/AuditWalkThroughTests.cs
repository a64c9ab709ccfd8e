using System.Diagnostics;
using System.Net;
using System.Text.RegularExpressions;
using Deployed;
using FluentAssertions;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace Integration.Tests;

/// <summary>What deploy/security.md tells an auditor to do works as it stands there, and finds a changed row.</summary>
public sealed class AuditWalkThroughTests(AllianceFixture alliance, ITestOutputHelper output) : IntegrationTest(alliance, output)
{
    private const string County = "12210681DEM000022E", Stranger = "12210682DEM003397A";

    [Fact]
    public async Task One_referrals_every_access_is_reproduced_from_the_sealed_chain()
    {
        var referral = await A.Submitted(Alliance);
        await referral.Does("claim");
        using var seen = await Referral.As(Alliance.Tertiary, subject: "dr-0001").GetAsync($"/v1/referrals/{referral.Id}");
        using var denied = await Referral.As(Stranger, subject: "dr-curious").GetAsync($"/v1/referrals/{referral.No}");
        denied.StatusCode.Should().Be(HttpStatusCode.NotFound);
        using var broken = await Referral.As(County, subject: "dr-emergency").Command($"/v1/referrals/{referral.Id}/break-glass", new { reason = "EmergencyCare", text = "患者昏迷送至我院急诊抢救" });
        broken.StatusCode.Should().Be(HttpStatusCode.Created);
        using var opened = await Referral.As(County, subject: "dr-emergency").GetAsync($"/v1/referrals/{referral.Id}");
        using var revealed = await Referral.As(Alliance.Tertiary, "Registrar", "desk-1").Command($"/v1/referrals/{referral.Id}/reveal", new { purpose = "ContactPatient", reason = "通知就诊时间" });
        revealed.StatusCode.Should().Be(HttpStatusCode.OK);
        await Eventually.Is(async () => await Count(Referral, """
            select count(*) from audit a where a.referral_id = @Id and not exists (select from audit_seal s where a.id = any(s.ids))
            """, new { referral.Id }) == 0, "the audit is sealed", seconds: 20);
        var rows = await Count(Referral, "select count(*) from audit where referral_id = @Id", new { referral.Id });

        var (code, said) = await WalkThrough(referral);
        code.Should().Be(0, said);
        var accesses = said.Split('\n').Where(l => l.Contains(" link ", StringComparison.Ordinal)).ToList();
        accesses.Should().HaveCount((int)rows, said);
        foreach (var access in new[]
        {
            $"dr-test {Alliance.Township} Clinician null TREATMENT submit allowed", $"dr-test {Alliance.Tertiary} Clinician null TREATMENT claim allowed",
            $"dr-0001 {Alliance.Tertiary} Clinician null TREATMENT read-patient allowed", $"dr-curious {Stranger} Clinician null TREATMENT read denied",
            $"dr-emergency {County} Clinician null BREAK_GLASS addendum allowed", $"dr-emergency {County} Clinician null BREAK_GLASS break-glass allowed",
            $"dr-emergency {County} Clinician null BREAK_GLASS read-patient allowed", $"desk-1 {Alliance.Tertiary} Registrar null CONTACT_PATIENT reveal allowed",
        })
            accesses.Should().ContainSingle(l => l.Contains(access, StringComparison.Ordinal), said);
        said.Should().Contain("links stand as they were sealed");

        // who owns the database puts the blame on another
        async Task Blame(string from, string to) => await Referral.Database.Execute(
            "update audit set subject = @to where referral_id = @Id and action = 'break-glass' and subject = @from", new { referral.Id, from, to });
        await Blame("dr-emergency", "dr-innocent");
        try
        {
            (code, said) = await WalkThrough(referral);
            code.Should().NotBe(0, said);
            said.Should().Contain($"dr-innocent {County} Clinician null BREAK_GLASS break-glass allowed IN NO LINK").And.Contain("BROKEN");
        }
        finally
        {
            await Blame("dr-innocent", "dr-emergency");
        }
    }

    private async Task<(int Code, string Said)> WalkThrough(A referral)
    {
        var text = await File.ReadAllTextAsync(Generated.Source("deploy/security.md"));
        var commands = Regex.Match(text, @"<!-- AuditWalkThroughTests [^\n]*-->\n```sh\n(?<commands>.*?)\n```", RegexOptions.Singleline).Groups["commands"].Value;
        commands.Should().NotBeEmpty("deploy/security.md has the walk-through between its fences");
        var folder = Directory.CreateTempSubdirectory("referral-audit-").FullName;
        var start = new ProcessStartInfo("bash", ["-u", "-c", commands]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in Alliance.Settings("referral"))
            start.Environment[name] = value;
        start.Environment["LANG"] = "C.UTF-8";
        start.Environment["URL"] = Referral.Address.ToString().TrimEnd('/');
        start.Environment["ID"] = referral.Id.ToString();
        start.Environment["SERVICE"] = Path.Combine(Servers.Apps, "referral");
        start.Environment["TOKEN"] = Issuer.Shared.Token(Alliance.Tertiary, "Auditor", "auditor-1");
        using var bash = Process.Start(start)!;
        var (said, complained) = (bash.StandardOutput.ReadToEndAsync(), bash.StandardError.ReadToEndAsync());
        await bash.WaitForExitAsync();
        Directory.Delete(folder, recursive: true);
        return (bash.ExitCode, await said + await complained);
    }
}
