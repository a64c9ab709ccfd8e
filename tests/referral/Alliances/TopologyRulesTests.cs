using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Alliances.Settings;
using ReferralService.Alliances.Sheets;
using ServiceDefaults.Http;
using Xunit;
using static ReferralService.Tests.Alliances.Topologies;

namespace ReferralService.Tests.Alliances;

/// <summary>Each rule of who may refer whom, as a table over the four shapes of alliance.</summary>
public sealed class TopologyRulesTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 2, 2, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(Star, "X-1", "LEAD", false)]
    [InlineData(Star, "X-1", "SECOND-1", false)]
    [InlineData(Star, "X-1", "CITY", true)]
    [InlineData(Star, "SECOND-1", "CITY", false)]
    [InlineData(Star, "LEAD", "X-1", false)]
    [InlineData(ThreeTiers, "VILLAGE", "TOWN", false)]
    [InlineData(ThreeTiers, "VILLAGE", "COUNTY", true)]
    [InlineData(ThreeTiers, "VILLAGE", "CITY", true)]
    [InlineData(ThreeTiers, "TOWN", "COUNTY", false)]
    [InlineData(ThreeTiers, "TOWN", "CITY", true)]
    [InlineData(Groups, "TOWN-1", "LEAD-1", false)]
    [InlineData(Groups, "TOWN-1", "LEAD-2", false)]
    [InlineData(Across, "TOWN", "TCM", false)]
    [InlineData(Across, "TOWN", "CITY", true)]
    [InlineData(Across, "LONE", "TCM", true)]
    public void Up_goes_one_level_unless_a_specialist_alliance_lies_between(string shape, string from, string to, bool skips) =>
        Of(shape).SkipsALevel(from, to, Today).Should().Be(skips);

    [Theory]
    [InlineData(Star, "X-1", "LEAD", false)]
    [InlineData(Star, "LEAD", "CITY", true)]
    [InlineData(ThreeTiers, "TOWN", "CITY", true)]
    [InlineData(Groups, "TOWN-1", "LEAD-4", false)]
    [InlineData(Groups, "TOWN-1", "NEXT-COUNTY", true)]
    [InlineData(Across, "TOWN", "TCM", false)]
    [InlineData(Across, "TOWN", "CITY", true)]
    [InlineData(Across, "LONE", "CITY", true)]
    public void It_leaves_the_region_where_the_region_is_another_and_no_alliance_is_shared(string shape, string from, string to, bool leaves) =>
        Of(shape).LeavesRegion(from, to, Today).Should().Be(leaves);

    [Theory]
    [InlineData(Star, "X-1", "CITY", "LEAD")]
    [InlineData(ThreeTiers, "VILLAGE", "CITY", "COUNTY")]
    [InlineData(Groups, "TOWN-2", "NEXT-COUNTY", "LEAD-2")]
    [InlineData(Groups, "LEAD-3", "NEXT-COUNTY", "LEAD-3")]
    [InlineData(Across, "TOWN", "CITY", "COUNTY")]
    [InlineData(Across, "TOWN", "TCM", null)]
    [InlineData(Across, "LONE", "CITY", null)]
    public void What_leaves_is_signed_by_the_lead_hospital_of_the_tight_alliance(string shape, string from, string to, string? lead)
    {
        var alliance = Of(shape);
        (alliance.LeadSigns(from, to, Now) ? alliance.LeadFor(from, Today) : null).Should().Be(lead);
    }

    [Theory]
    [InlineData(ThreeTiers, "VILLAGE", "TOWN", false)]
    [InlineData(ThreeTiers, "VILLAGE", "OTHER-TOWN", true)]
    [InlineData(ThreeTiers, "VILLAGE", "COUNTY", true)]
    [InlineData(ThreeTiers, "TOWN", "COUNTY", false)]
    [InlineData(Star, "X-1", "LEAD", false)]
    [InlineData(Groups, "TOWN-1", "LEAD-2", false)]
    [InlineData(Across, "TOWN", "TCM", false)]
    public void A_village_goes_to_its_own_township(string shape, string from, string to, bool passes) =>
        Of(shape).PassesItsTownship(from, to, Now).Should().Be(passes);

    [Theory]
    [InlineData(Star, "X-2", "LEAD", GreenChannel.Stroke, true)]
    [InlineData(Star, "X-2", "LEAD", GreenChannel.Trauma, false)]
    [InlineData(Star, "CITY", "LEAD", GreenChannel.Stroke, false)]
    [InlineData(ThreeTiers, "VILLAGE", "COUNTY", GreenChannel.Stroke, true)]
    [InlineData(Groups, "TOWN-1", "LEAD-1", GreenChannel.Stroke, true)]
    [InlineData(Groups, "TOWN-2", "LEAD-1", GreenChannel.Stroke, false)]
    [InlineData(Across, "LONE", "COUNTY", GreenChannel.Stroke, false)]
    public void An_agreement_for_all_members_accepts_their_emergencies_of_its_channel_and_nobody_elses(string shape, string from, string to, GreenChannel channel, bool accepted) =>
        Of(shape).HasStandingAgreement(from, to, channel, Today).Should().Be(accepted);

    [Theory]
    [InlineData(Star, "X-3", "star")]
    [InlineData(ThreeTiers, "VILLAGE", "community")]
    [InlineData(Groups, "TOWN-2", "group-2")]
    // the tight one goes before the loose one
    [InlineData(Across, "TOWN", "community")]
    [InlineData(Across, "TCM", "tcm")]
    [InlineData(Across, "LONE", null)]
    public void Settings_come_from_the_tight_alliance_first(string shape, string house, string? alliance) =>
        Of(shape).SettingsOf(house, Now).Should().Be(EffectiveSettings.Default with { Alliance = alliance });

    // 中医科 50 with its sixteen specialities, 民族医 51, 中西医结合 52
    [Theory]
    [InlineData("50", true), InlineData("50.01", true), InlineData("50.16", true), InlineData("51", true), InlineData("52", true)]
    [InlineData("29", false), InlineData("33", false), InlineData("49", false), InlineData("53", false), InlineData("50.1", false), InlineData("50-01", false)]
    public void Departments_of_Chinese_medicine_are_departments(string code, bool known)
    {
        var checks = new Checks();
        checks.Department(code, "/code");
        checks.Passed.Should().Be(known);
    }
}
