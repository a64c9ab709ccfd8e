using System.Net;
using System.Text.Json;
using Dapper;
using FluentAssertions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using ServiceDefaults.Auditing;
using TestKit;
using Xunit;

namespace ReferralService.Tests;

/// <summary>Nobody can change what the audit says: the service may not, and whoever owns the server is found out.</summary>
public sealed class AuditChainTests : IAsyncLifetime
{
    private readonly ReferralHost _host = new();

    public Task InitializeAsync() => _host.InitializeAsync();

    public Task DisposeAsync() => _host.DisposeAsync();

    private AuditSealer Sealer => _host.Services.GetRequiredService<AuditSealer>();
    private AuditVerifier Verifier => _host.Services.GetRequiredService<AuditVerifier>();

    private async Task<AuditFindings> Sealed()
    {
        await Eventually.Is(async () =>
        {
            await Sealer.Seal();
            return (await Verifier.Verify()).Unsealed == 0;
        }, "everything is sealed");
        return await Verifier.Verify();
    }

    /// <summary>A submit, a reading of patient data, a denial.</summary>
    private async Task<A> SomethingHappens()
    {
        var referral = await A.Submitted(_host);
        await referral.Look();
        await _host.As(ReferralHost.Stranger).GetAsync($"/v1/referrals/{referral.Id}");
        return referral;
    }

    [Theory]
    [InlineData("update audit set subject = 'somebody else'")]
    [InlineData("delete from audit")]
    [InlineData("truncate audit")]
    [InlineData("update audit_seal set number = number + 1")]
    [InlineData("delete from audit_seal")]
    [InlineData("alter table audit disable trigger all")]
    [InlineData("update history set subject = 'somebody else'")]
    [InlineData("delete from history")]
    public async Task The_role_of_the_service_can_change_nothing_of_it(string sql)
    {
        await SomethingHappens();
        await using var app = new NpgsqlConnection(_host.Database.App);
        var change = async () => await app.ExecuteAsync(sql);
        (await change.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.InsufficientPrivilege);
    }

    [Fact]
    public async Task Moves_readings_and_denials_stand_in_the_chain_within_a_second_or_two()
    {
        var referral = await SomethingHappens();
        await Eventually.Is(async () => (await Verifier.Verify()).Unsealed == 0, "the service's own sealer seals them");
        var found = await Verifier.Verify();
        found.Faults.Should().BeEmpty();
        found.Rows.Should().BeGreaterThanOrEqualTo(3);
        (await _host.Database.Query<string>("select action || ' ' || verdict from audit where referral_id = @Id order by id", new { referral.Id }))
            .Should().Equal("submit allowed", "read-patient allowed", "read denied");
    }

    [Theory]
    [InlineData("delete from audit where id = (select min(id) from audit)", "is gone")]
    [InlineData("update audit set subject = 'somebody else' where id = (select max(id) from audit)", "was changed")]
    [InlineData("update audit set at = at + interval '1 second' where id = (select min(id) from audit)", "was changed")]
    [InlineData("update audit a set subject = b.subject, institution = b.institution, action = b.action, verdict = b.verdict from audit b where a.id = (select min(id) from audit) and b.id = (select max(id) from audit)", "was changed")]
    [InlineData("insert into audit (tx, at, subject, institution, role, purpose, action, verdict) select min(tx), min(at), 'x', 'x', 'x', 'x', 'x', 'allowed' from audit", "slipped in")]
    [InlineData("delete from audit_seal where number = 1", "link 1 is gone")]
    [InlineData("update audit_seal set sealed_at = sealed_at - interval '1 day' where number = 1", "link 1 was changed")]
    [InlineData("update audit_seal set number = 3 - number where number <= 2 and number > 0", "link 2 does not follow")]
    public async Task What_the_superuser_changes_is_found(string sql, string fault)
    {
        await SomethingHappens();
        await Sealed();
        await SomethingHappens();
        (await Sealed()).Faults.Should().BeEmpty();
        // the order of links is changed in two steps: a unique number stands in the way of one
        if (sql.Contains("3 - number", StringComparison.Ordinal))
            await _host.Database.Execute("update audit_seal set number = -number where number <= 2; update audit_seal set number = 3 + number where number < 0");
        else
            (await _host.Database.Execute(sql)).Should().BePositive();
        (await Verifier.Verify()).Faults.Should().Contain(f => f.Contains(fault));
    }

    [Fact]
    public async Task Whoever_rewrites_the_whole_chain_lacks_the_services_key()
    {
        await SomethingHappens();
        await Sealed();
        await _host.Database.Execute("update audit set subject = 'nobody' where id = (select max(id) from audit)");
        var seal = (await _host.Database.Query<(long Number, byte[] Previous)>("select number, previous from audit_seal order by number desc limit 1")).Single();
        var rows = await _host.Database.Query<AuditRow>($"""
            select {AuditRow.Columns} from audit where id in (select unnest(ids) from audit_seal where number = @Number) order by tx, id
            """, new { seal.Number });
        var forged = new AuditSeal
        {
            Number = seal.Number, SealedAt = DateTimeOffset.UnixEpoch, Previous = seal.Previous,
            Ids = [.. rows.Select(r => r.Id)], Digests = [.. rows.SelectMany(r => r.Digest())],
        };
        await _host.Database.Execute("update audit_seal set ids = @Ids, digests = @Digests, sealed_at = @SealedAt, hash = @hash where number = @Number",
            new { forged.Ids, forged.Digests, forged.SealedAt, hash = AuditChain.HashOf(forged), forged.Number });
        (await Verifier.Verify()).Faults.Should().Equal($"link {seal.Number} was not sealed by this service");
    }

    [Fact]
    public async Task A_chain_whose_end_was_cut_off_no_longer_reaches_the_head_that_was_noted()
    {
        await SomethingHappens();
        var head = (await Sealed()).Head!;
        var noted = (head.Number, Convert.ToHexStringLower(head.Hash));
        (await Verifier.Verify(noted: noted)).Faults.Should().BeEmpty();
        await _host.Database.Execute("delete from audit where id = any((select ids from audit_seal where number = @Number)::bigint[]); delete from audit_seal where number = @Number", new { head.Number });
        (await Verifier.Verify()).Faults.Should().BeEmpty("what is left is whole");
        (await Verifier.Verify(noted: noted)).Faults.Should().ContainSingle().Which.Should().Contain("is gone");
    }

    [Fact]
    public async Task Sealers_at_the_same_time_make_one_chain()
    {
        await using var second = new ServiceHost<Program>(_host.Database.App, _host.RabbitMq, _host.Clock);
        var sealers = new[] { Sealer, second.Services.GetRequiredService<AuditSealer>() };
        for (var round = 0; round < 10; round++)
        {
            var writers = Enumerable.Range(0, 4).Select(_ => SomethingHappens());
            await Task.WhenAll([.. writers, .. Enumerable.Range(0, 20).Select(i => sealers[i % 2].Seal())]);
        }
        var found = await Sealed();
        found.Faults.Should().BeEmpty();
        found.Rows.Should().Be((await _host.Database.Query<long>("select count(*) from audit")).Single());
    }

    [Fact]
    public async Task A_row_that_commits_after_later_ones_were_sealed_is_not_skipped()
    {
        await using var late = new NpgsqlConnection(_host.Database.App);
        await late.OpenAsync();
        await using var transaction = await late.BeginTransactionAsync();
        await late.ExecuteAsync("""
            insert into audit (at, subject, institution, role, purpose, action, verdict) values (now(), 'late', 'x', 'x', 'x', 'late', 'allowed')
            """);
        await SomethingHappens();
        for (var i = 0; i < 5; i++)
            await Sealer.Seal();
        (await Verifier.Verify()).Unsealed.Should().BePositive("an older transaction is still open");
        await transaction.CommitAsync();
        var found = await Sealed();
        found.Faults.Should().BeEmpty();
        found.Rows.Should().Be((await _host.Database.Query<long>("select count(*) from audit")).Single());
    }

    [Fact]
    public async Task After_a_restore_into_another_server_the_chain_goes_on()
    {
        await SomethingHappens();
        await Sealed();
        // another server counts its transactions from the beginning: as if ours had counted much further before
        await _host.Database.Execute("update audit set tx = tx + 1000000000; update audit_seal set upto = upto + 1000000000");
        await SomethingHappens();
        for (var i = 0; i < 3; i++)
            await Sealer.Seal();
        await SomethingHappens();
        var found = await Sealed();
        found.Faults.Should().BeEmpty();
        found.Rows.Should().Be((await _host.Database.Query<long>("select count(*) from audit")).Single());
    }

    [Fact]
    public async Task Retention_takes_old_rows_away_and_the_chain_still_holds()
    {
        await SomethingHappens();
        await Sealed();
        await using (var owner = NpgsqlDataSource.Create(_host.Database.Owner))
        {
            (await AuditVerbs.Prune(owner, _host.Clock.GetUtcNow().AddDays(100), AuditVerbs.LeastDays)).Should().Be(0, "it is too young");
            await SomethingHappens();
            await Sealed();
            (await AuditVerbs.Prune(owner, _host.Clock.GetUtcNow().AddDays(181), AuditVerbs.LeastDays)).Should().BeGreaterThan(5);
        }
        await SomethingHappens();
        var found = await Sealed();
        found.Faults.Should().BeEmpty();
        found.Pruned.Should().BeGreaterThan(5);
    }

    [Fact]
    public async Task The_auditors_export_shows_every_access_and_can_be_checked_without_us()
    {
        var referral = await SomethingHappens();
        await Sealed();
        var export = await _host.As(ReferralHost.Tertiary, "Auditor", "auditor-1").GetAsync($"/v1/audit?referral={referral.Id}");
        export.StatusCode.Should().Be(HttpStatusCode.OK);
        export.Content.Headers.ContentType!.MediaType.Should().Be("application/x-ndjson");
        var lines = (await export.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(l => JsonDocument.Parse(l).RootElement).ToList();
        var links = lines.Where(l => l.TryGetProperty("link", out _)).ToDictionary(l => l.GetProperty("link").GetInt64());
        var rows = lines.Where(l => l.TryGetProperty("id", out _)).ToList();
        rows.Select(r => r.GetProperty("action").GetString() + " " + r.GetProperty("institution").GetString()).Should().Equal(
            "submit " + ReferralHost.Township, "read-patient " + ReferralHost.Township, "read " + ReferralHost.Stranger);
        foreach (var row in rows)
        {
            var link = links[row.GetProperty("sealedBy").GetInt64()];
            var place = link.GetProperty("rows").EnumerateArray().Select(e => e.GetInt64()).ToList().IndexOf(row.GetProperty("id").GetInt64());
            link.GetProperty("digests")[place].GetString().Should().Be(DigestOf(row));
        }
        foreach (var link in links.Values)
            Convert.ToHexStringLower(AuditChain.HashOf(new()
            {
                Number = link.GetProperty("link").GetInt64(), SealedAt = link.GetProperty("sealedAt").GetDateTimeOffset(),
                Ids = [.. link.GetProperty("rows").EnumerateArray().Select(e => e.GetInt64())],
                Digests = [.. link.GetProperty("digests").EnumerateArray().SelectMany(d => Convert.FromHexString(d.GetString()!))],
                Previous = Convert.FromHexString(link.GetProperty("previous").GetString()!),
            })).Should().Be(link.GetProperty("hash").GetString());
        (await _host.Database.Query<long>("select count(*) from audit where action = 'audit.export' and referral_id = @Id", new { referral.Id })).Single().Should().Be(1);
    }

    // recomputed from the line alone, as the description of the export says
    private static string DigestOf(JsonElement row)
    {
        string? Text(string name) => row.TryGetProperty(name, out var value) ? value.GetString() : null;
        return Convert.ToHexStringLower(new AuditRow
        {
            Id = row.GetProperty("id").GetInt64(), At = row.GetProperty("at").GetDateTimeOffset(), Subject = Text("subject")!,
            Institution = Text("institution")!, Role = Text("role")!, OnBehalfOf = Text("onBehalfOf"), Purpose = Text("purpose")!,
            Action = Text("action")!, Verdict = Text("verdict")!, Target = Text("target"),
            ReferralId = Text("referralId") is { } id ? Guid.Parse(id) : null,
        }.Digest());
    }

    [Fact]
    public async Task An_auditor_of_another_institution_sees_nothing_of_it_and_other_roles_nothing_at_all()
    {
        var referral = await A.Submitted(_host);
        var text = await (await _host.As(ReferralHost.OtherTownship, "Auditor").GetAsync($"/v1/audit?referral={referral.Id}")).Content.ReadAsStringAsync();
        text.Should().BeEmpty();
        foreach (var role in new[] { "Clinician", "Head", "AllianceOffice", "Regulator", "Operator", "Machine" })
            (await _host.As(ReferralHost.Tertiary, role).GetAsync("/v1/audit")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task Pages_of_the_export_neither_repeat_nor_skip()
    {
        for (var i = 0; i < 3; i++)
            await SomethingHappens();
        await Sealed();
        var auditor = _host.As(ReferralHost.Township, "Auditor");
        var ids = new List<long>();
        for (var next = "/v1/audit?limit=2"; next is not null;)
        {
            var page = await auditor.GetAsync(next);
            page.StatusCode.Should().Be(HttpStatusCode.OK, "{0} answered {1}", next, await page.Content.ReadAsStringAsync());
            ids.AddRange((await page.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Select(l => JsonDocument.Parse(l).RootElement).Where(l => l.TryGetProperty("id", out _)).Select(l => l.GetProperty("id").GetInt64()));
            next = page.Headers.TryGetValues("Link", out var link) ? link.Single().Split('>')[0][1..] : null;
        }
        ids.Should().OnlyHaveUniqueItems();
        var expected = await _host.Database.Query<long>("select id from audit where action in ('submit', 'read-patient', 'read') order by tx, id");
        ids.Should().ContainInOrder(expected);
    }

    [Theory]
    [InlineData("张三")]
    [InlineData("110101199003074215")]
    [InlineData("11010519491231002X")]
    [InlineData("13800001234")]
    public async Task What_a_stranger_types_into_an_address_does_not_enter_the_audit(string typed)
    {
        (await _host.As(ReferralHost.Stranger).GetAsync("/v1/referrals/" + Uri.EscapeDataString(typed))).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await _host.Database.Query<string>("select target from audit where verdict = 'denied'")).Should().Equal("(not an id)");
    }

    [Fact]
    public async Task A_refused_role_leaves_a_row_wherever_it_asks()
    {
        await _host.As(ReferralHost.Tertiary, "Insurer").GetAsync("/v1/referrals");
        await _host.As(ReferralHost.Tertiary, "Regulator").GetAsync("/v1/referrals/count");
        await _host.As(ReferralHost.Tertiary, "Operator").GetAsync("/v1/audit");
        (await _host.Database.Query<string>("select action || ' ' || role from audit where verdict = 'denied' order by id"))
            .Should().Equal("listReferrals Insurer", "countReferrals Regulator", "exportAudit Operator");
    }
}
