using Dapper;
using FluentAssertions;
using Npgsql;
using ReferralService.Alliances.Sheets;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Alliances;

/// <summary>The four shapes of alliances, in the tables: what each allows, and the one thing none of them does.</summary>
[Collection("referral")]
public sealed class TopologyTests(ReferralHost host)
{
    /// <summary>An institution with a code that fits, stored; told apart by <paramref name="name"/>.</summary>
    private static async Task<string> Institution(NpgsqlConnection connection, string name, string level, string? parent = null)
    {
        var code = Codes.New();
        await connection.ExecuteAsync("""
            insert into institution (code, name, level, type, ownership, region, parent, services, synthetic)
            values (@code, @name, @level, 'General', 'Public', '210699', @parent, '{}', true)
            """, new { code, name, level, parent });
        return code;
    }

    private static async Task<string> Alliance(NpgsqlConnection connection, string lead, string tightness, string form = "CountyMedicalCommunity")
    {
        var id = "t-" + Guid.NewGuid().ToString("n")[..10];
        await connection.ExecuteAsync("insert into alliance (id, name, form, tightness, lead) values (@id, @id, @form, @tightness, @lead)", new { id, form, tightness, lead });
        await Join(connection, id, lead);
        return id;
    }

    private static Task Join(NpgsqlConnection connection, string alliance, string institution, string from = "2025-01-01", string? until = null, string? reason = null) =>
        connection.ExecuteAsync("""
            insert into membership (alliance, institution, since, until, tightness, lead, override_reason, override_by)
            select id, @institution, @from::date, @until::date, tightness, lead, @reason, case when @reason is not null then 'bureau' end
            from alliance where id = @alliance
            """, new { alliance, institution, from, until, reason });

    private static async Task IsRefused(Func<Task> join, string constraint = "membership_one_tight_parent") =>
        (await join.Should().ThrowAsync<PostgresException>()).Which.ConstraintName.Should().Be(constraint);

    private async Task<NpgsqlConnection> Tables()
    {
        DapperTypes();
        var connection = new NpgsqlConnection(host.Database.App);
        await connection.OpenAsync();
        return connection;
    }

    private static void DapperTypes() => ServiceDefaults.Storage.DapperTypes.Register();

    [Fact]
    public async Task Star_one_lead_and_its_clinics_each_with_this_one_tight_parent()
    {
        await using var tables = await Tables();
        var lead = await Institution(tables, "牵头医院", "SecondaryHospital");
        var star = await Alliance(tables, lead, "Tight");
        var clinics = new List<string>();
        for (var i = 0; i < 3; i++)
            clinics.Add(await Institution(tables, $"卫生院{i}", "TownshipHealthCentre", lead));
        foreach (var clinic in clinics)
            await Join(tables, star, clinic);
        var other = await Alliance(tables, await Institution(tables, "另一医院", "SecondaryHospital"), "Tight");
        foreach (var clinic in clinics)
            await IsRefused(() => Join(tables, other, clinic));
        await IsRefused(() => Join(tables, star, clinics[0], "2026-01-01"), "membership_once_at_a_time");
    }

    [Fact]
    public async Task Three_tiers_village_below_township_below_county_and_never_the_other_way_round()
    {
        await using var tables = await Tables();
        var county = await Institution(tables, "县医院", "SecondaryHospital");
        var township = await Institution(tables, "镇卫生院", "TownshipHealthCentre", county);
        var village = await Institution(tables, "村卫生室", "VillageClinic", township);
        await IsRefused(() => tables.ExecuteAsync("update institution set parent = @village where code = @county", new { village, county }), "institution_no_circle");
        await IsRefused(() => Institution(tables, "倒置", "SecondaryHospital", village), "institution_parent_is_above");
        var tight = await Alliance(tables, county, "Tight");
        await Join(tables, tight, township);
        await Join(tables, tight, village);
    }

    [Fact]
    public async Task Several_groups_side_by_side_whose_leads_are_no_ones_lower_institution_at_home()
    {
        await using var tables = await Tables();
        var (first, second) = (await Institution(tables, "总院甲", "TertiaryHospital"), await Institution(tables, "总院乙", "TertiaryHospital"));
        var (a, b) = (await Alliance(tables, first, "Tight", "UrbanMedicalGroup"), await Alliance(tables, second, "Tight", "UrbanMedicalGroup"));
        var clinic = await Institution(tables, "社区中心", "CommunityHealthCentre");
        await Join(tables, a, clinic, until: "2025-12-31");
        await IsRefused(() => Join(tables, b, clinic, "2025-12-31"));
        // it changes sides the day after
        await Join(tables, b, clinic, "2026-01-01");
        // the lead of one group is a lower institution of the other: once, and not of a third
        await Join(tables, b, first);
        var third = await Alliance(tables, await Institution(tables, "总院丙", "TertiaryHospital"), "Tight", "UrbanMedicalGroup");
        await IsRefused(() => Join(tables, third, first));
    }

    [Fact]
    public async Task Across_alliances_one_tight_parent_and_any_number_of_others()
    {
        await using var tables = await Tables();
        var clinic = await Institution(tables, "中心卫生院", "TownshipHealthCentre");
        var tight = await Alliance(tables, await Institution(tables, "县医院", "SecondaryHospital"), "Tight");
        await Join(tables, tight, clinic);
        var loose = await Alliance(tables, await Institution(tables, "中医院", "TertiaryHospital"), "Loose", "CrossRegionSpecialistAlliance");
        foreach (var kind in new[] { "SemiTight", "Mixed" })
            await Join(tables, await Alliance(tables, await Institution(tables, "专科医院" + kind, "TertiaryHospital"), kind, "TelemedicineNetwork"), clinic);
        await Join(tables, loose, clinic);
        // an alliance that becomes tight would give its clinic a second parent: refused as a whole
        await IsRefused(() => tables.ExecuteAsync("update alliance set tightness = 'Tight' where id = @loose", new { loose }));
        (await tables.ExecuteScalarAsync<string>("select tightness from membership where alliance = @loose and institution = @clinic", new { loose, clinic })).Should().Be("Loose");
        // in principle one: the authority may decide otherwise, with its reason
        var second = await Alliance(tables, await Institution(tables, "市医院", "TertiaryHospital"), "Tight");
        await IsRefused(() => Join(tables, second, clinic));
        await Join(tables, second, clinic, reason: "省卫健委批复");
    }

    [Fact]
    public async Task Two_that_join_the_same_clinic_at_the_same_moment_do_not_both_win()
    {
        await using var tables = await Tables();
        var clinic = await Institution(tables, "抢签卫生院", "TownshipHealthCentre");
        var alliances = new List<string>();
        for (var i = 0; i < 6; i++)
            alliances.Add(await Alliance(tables, await Institution(tables, "医院" + i, "SecondaryHospital"), "Tight"));
        var joined = await Task.WhenAll(alliances.Select(async alliance =>
        {
            await using var own = await Tables();
            try
            {
                await Join(own, alliance, clinic);
                return true;
            }
            catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.ExclusionViolation or PostgresErrorCodes.DeadlockDetected)
            {
                return false;
            }
        }));
        joined.Count(won => won).Should().Be(1);
    }
}

/// <summary>Codes of institutions that nobody has.</summary>
internal static class Codes
{
    private const string Letters = "0123456789ABCDEFGHJKLMNPQRTUWXY";

    /// <summary>A unified social credit code with its check character.</summary>
    public static string New(Random? random = null)
    {
        var code = "12210699TEST" + string.Concat(Enumerable.Range(0, 5).Select(_ => Letters[(random ?? Random.Shared).Next(Letters.Length)]));
        // S is not among the letters of such a code
        code = code.Replace('S', '5');
        int sum = 0, weight = 1;
        foreach (var letter in code)
        {
            sum += Letters.IndexOf(letter) * weight;
            weight = weight * 3 % 31;
        }
        return code + Letters[(31 - sum % 31) % 31];
    }
}
