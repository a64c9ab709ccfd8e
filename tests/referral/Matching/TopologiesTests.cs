using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Matching;
using Xunit;
using static ReferralService.Tests.Matching.Ground;

namespace ReferralService.Tests.Matching;

/// <summary>The four shapes of alliance that the source documents name, and who stands first in each.</summary>
public sealed class TopologiesTests
{
    /// <summary>1+2+X: one tertiary hospital leads, two county hospitals below it, and all the clinics.</summary>
    private static Ground Star() => new Ground()
        .House("CITY", "TertiaryHospital", "03.03 03.04", at: 60)
        .House("COUNTY-A", "SecondaryHospital", "03.03", at: 10).House("COUNTY-B", "SecondaryHospital", "03.03", at: 20)
        .House("CLINIC-1", "TownshipHealthCentre", "02", at: 0).House("CLINIC-2", "TownshipHealthCentre", "02", at: 30)
        .Bond("star", "UrbanMedicalGroup", "SemiTight", "CITY", "COUNTY-A COUNTY-B CLINIC-1 CLINIC-2")
        .Free("CITY", "03.03", 1).Free("COUNTY-A", "03.03", 3).Free("COUNTY-B", "03.03", 3);

    [Fact]
    public void In_a_star_the_nearer_county_hospital_comes_first_and_the_lead_hospital_last() =>
        Order(Star().Rank(Ask("CLINIC-1"))).Should().Equal("COUNTY-A", "COUNTY-B", "CITY");

    [Fact]
    public void In_a_star_what_only_the_lead_hospital_treats_goes_there_and_says_that_it_skips_a_level()
    {
        var only = Star().Rank(Ask("CLINIC-1", "03.04")).Should().ContainSingle().Subject;
        only.Institution.Should().Be("CITY");
        Codes(only).Should().Contain("TIER_SKIPPED");
    }

    [Fact]
    public void In_a_star_the_hospital_that_is_full_gives_way_to_the_one_that_is_free() =>
        Order(Star().Full("COUNTY-A", "03.03").Rank(Ask("CLINIC-1"))).First().Should().Be("COUNTY-B");

    /// <summary>County, township, village: three levels of one tight community.</summary>
    private static Ground ThreeTiers() => new Ground()
        .House("COUNTY", "SecondaryHospital", "02 03.03 20", at: 10)
        .House("TOWN", "TownshipHealthCentre", "02", at: 5, services: "HomeVisit ChronicClinic").House("OTHER-TOWN", "TownshipHealthCentre", "02", at: 25, services: "HomeVisit ChronicClinic")
        .House("VILLAGE", "VillageClinic", "02", at: 0)
        .Bond("community", "CountyMedicalCommunity", "Tight", "COUNTY", "TOWN OTHER-TOWN VILLAGE");

    [Fact]
    public void From_a_village_the_township_comes_before_the_county() =>
        Order(ThreeTiers().Rank(Ask("VILLAGE", "02"))).Should().Equal("TOWN", "OTHER-TOWN", "COUNTY");

    [Fact]
    public void From_a_township_the_county_comes_first_and_a_village_never() =>
        Order(ThreeTiers().Rank(Ask("TOWN", "03.03"))).Should().Equal("COUNTY");

    [Fact]
    public void Back_from_the_county_it_goes_to_who_sent_the_patient_even_where_another_is_nearer()
    {
        var question = Ask("COUNTY", "02") with { Kind = ReferralKind.RehabReturn, PatientClass = PatientClass.ChronicStable, CameFrom = "OTHER-TOWN" };
        Order(ThreeTiers().Rank(question)).Should().Equal("OTHER-TOWN", "TOWN", "VILLAGE");
    }

    /// <summary>Several groups side by side, each with a lead of its own.</summary>
    private static Ground Groups() => new Ground()
        .House("LEAD-1", "SecondaryHospital", "03.03", at: 40).House("LEAD-2", "SecondaryHospital", "03.03", at: 5)
        .House("LEAD-3", "SecondaryHospital", "03.03", at: 30).House("LEAD-4", "SecondaryHospital", "03.03", at: 35)
        .House("TOWN", "TownshipHealthCentre", "02", at: 0, grid: "G-1")
        .Bond("group-1", "CountyMedicalCommunity", "Tight", "LEAD-1", "TOWN").Bond("group-2", "CountyMedicalCommunity", "Tight", "LEAD-2", "")
        .Bond("group-3", "CountyMedicalCommunity", "Tight", "LEAD-3", "").Bond("group-4", "CountyMedicalCommunity", "Tight", "LEAD-4", "");

    [Fact]
    public void Among_four_groups_the_own_lead_comes_before_a_nearer_stranger()
    {
        var ranked = Groups().Rank(Ask("TOWN"));
        Order(ranked).Should().StartWith("LEAD-1").And.HaveCount(4);
        Codes(ranked[0]).Should().Contain("TIGHT_ALLIANCE");
        Codes(ranked[1]).Should().Contain("OUTSIDE_ALLIANCE");
    }

    [Fact]
    public void Among_four_groups_the_grid_a_patient_lives_in_says_which_group_is_responsible()
    {
        var ground = Groups();
        ground.Grids.Add(new("G-3", "三号网格", "210600", "group-3", null, "LEAD-3"));
        Order(ground.Rank(Ask("TOWN") with { ResidenceGrid = "G-3" }))[1].Should().Be("LEAD-3");
    }

    /// <summary>Across counties: a town in its county's community and in an alliance of Chinese medicine.</summary>
    private static Ground Across() => new Ground()
        .House("COUNTY", "SecondaryHospital", "03.03 50", at: 10)
        .House("TCM", "TertiaryHospital", "50", at: 80).House("CITY", "TertiaryHospital", "50 03.03", at: 60)
        .House("TOWN", "TownshipHealthCentre", "02 50", at: 0)
        .Bond("community", "CountyMedicalCommunity", "Loose", "COUNTY", "TOWN")
        .Bond("tcm", "CrossRegionSpecialistAlliance", "Mixed", "TCM", "TOWN");

    [Fact]
    public void Across_counties_the_specialist_alliance_lets_a_level_be_skipped_and_a_stranger_of_the_same_level_does_not()
    {
        var ranked = Across().Full("COUNTY", "50").Free("TCM", "50", 2).Free("CITY", "50", 2).Rank(Ask("TOWN", "50"));
        Order(ranked).Should().Equal("TCM", "COUNTY", "CITY");
        Codes(ranked[0]).Should().Contain("SPECIALIST_ALLIANCE_LEAD").And.Contain("TIER_BY_SPECIALIST_ALLIANCE");
        Codes(ranked[2]).Should().Contain("TIER_SKIPPED").And.Contain("OUTSIDE_ALLIANCE");
    }

    [Fact]
    public void Across_counties_what_the_specialist_does_not_treat_stays_in_the_county() =>
        Order(Across().Rank(Ask("TOWN"))).Should().Equal("COUNTY", "CITY");

    [Fact]
    public void One_question_has_another_answer_in_each_of_the_four_shapes()
    {
        // the same township asks for the same department: the shape decides
        new[] { Star().Rank(Ask("CLINIC-1")), ThreeTiers().Rank(Ask("TOWN")), Groups().Rank(Ask("TOWN")), Across().Rank(Ask("TOWN")) }
            .Select(r => string.Join(' ', Order(r))).Should().OnlyHaveUniqueItems();
    }

    internal static IReadOnlyList<string> Order(IEnumerable<Candidate> ranked) => [.. ranked.Select(c => c.Institution)];

    internal static IEnumerable<string> Codes(Candidate candidate) => candidate.Reasons.Select(r => r.Code);
}
