using Dapper;
using FluentAssertions;
using Npgsql;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>An institution leaves the sandbox at the very moment at which it comes to share something there: one of the two waits, looks again and is refused.</summary>
[Collection("referral")]
public sealed class SandboxRaceTests(ReferralHost host)
{
    private const string Leaves = "update institution set synthetic = false where code = @house";

    private static readonly Dictionary<string, string> Shares = new()
    {
        ["membership"] = "insert into membership (alliance, institution, since, tightness, lead) select id, @house, '2026-01-01', tightness, lead from alliance where id = 'al-county'",
        ["contract"] = """
            insert into contract (id, patient_index, type, clinic, district, municipal, since)
            values ('ct-' || @house, convert_to(@house, 'UTF8'), 'INSTITUTION_1_1_1', @house, @County, @County, '2026-01-01')
            """,
        ["standing_agreement"] = "insert into standing_agreement (id, sender, receiver, since) values ('sa-' || @house, @house, @County, '2026-01-01')",
    };

    [Theory]
    [InlineData("membership", true)]
    [InlineData("membership", false)]
    [InlineData("contract", true)]
    [InlineData("contract", false)]
    [InlineData("standing_agreement", true)]
    [InlineData("standing_agreement", false)]
    public async Task The_second_waits_for_the_first_and_is_refused(string table, bool leavesFirst)
    {
        var it = new { house = Codes.New(), ReferralHost.County };
        await host.Database.Execute("""
            insert into institution (code, name, level, type, ownership, region, services, synthetic)
            values (@house, @house, 'TownshipHealthCentre', 'General', 'Public', '210699', '{}', true)
            """, it);
        var (first, second) = leavesFirst ? (Leaves, Shares[table]) : (Shares[table], Leaves);
        await using var one = await Tables();
        await using var two = await Tables();
        await using var earlier = await one.BeginTransactionAsync();
        (await one.ExecuteAsync(first, it, earlier)).Should().Be(1);

        var later = two.ExecuteAsync(second, it);
        await Eventually.Is(async () => (await host.Database.Query<bool>(
            "select exists (select from pg_locks where pid = @pid and not granted)", new { pid = two.ProcessID })).Single(), "the second one waits", seconds: 10);
        await earlier.CommitAsync();
        (await FluentActions.Awaiting(() => later).Should().ThrowAsync<PostgresException>())
            .Which.ConstraintName.Should().Be(leavesFirst ? table + "_not_mixed" : "institution_keeps_its_kind");
    }

    [Fact]
    public async Task Who_shares_waits_for_nobody_else_who_shares()
    {
        await using var one = await Tables();
        await using var two = await Tables();
        await using var earlier = await one.BeginTransactionAsync();
        await using var later = await two.BeginTransactionAsync();
        foreach (var (connection, transaction) in new[] { (one, earlier), (two, later) })
        {
            var it = new { house = Codes.New(), ReferralHost.County };
            await host.Database.Execute("""
                insert into institution (code, name, level, type, ownership, region, services, synthetic)
                values (@house, @house, 'TownshipHealthCentre', 'General', 'Public', '210699', '{}', true)
                """, it);
            (await connection.ExecuteAsync(Shares["membership"], it, transaction, commandTimeout: 10)).Should().Be(1);
        }
    }

    private async Task<NpgsqlConnection> Tables()
    {
        var connection = new NpgsqlConnection(host.Database.App);
        await connection.OpenAsync();
        return connection;
    }
}
