using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Matching;
using Xunit;
using static ReferralService.Tests.Matching.Ground;
using static ReferralService.Tests.Matching.TopologiesTests;

namespace ReferralService.Tests.Matching;

/// <summary>What speaks for and against a candidate, one thing at a time.</summary>
public sealed class MatcherTests
{
    private static Ground Two() => new Ground()
        .House("A", "SecondaryHospital", "03.03", at: 10).House("B", "SecondaryHospital", "03.03", at: 10)
        .House("TOWN", "TownshipHealthCentre", "02", at: 0)
        .Bond("al", "CountyMedicalCommunity", "Tight", "A", "B TOWN");

    private static IReadOnlyList<Candidate> Ranked(Action<Ground>? ground = null, Func<MatchQuestion, MatchQuestion>? question = null)
    {
        var g = Two();
        ground?.Invoke(g);
        return g.Rank((question ?? (q => q))(Ask("TOWN")));
    }

    [Fact]
    public void Where_nothing_tells_two_apart_the_code_does() => Order(Ranked()).Should().Equal("A", "B");

    [Theory]
    [InlineData(0, 1, "B")]
    [InlineData(27, 28, "B")]
    [InlineData(2, 2, "A")]
    public void Who_is_free_sooner_comes_first(int b, int a, string first) =>
        Ranked(g => g.Free("A", "03.03", a).Free("B", "03.03", b))[0].Institution.Should().Be(first);

    [Fact]
    public void Full_comes_after_unknown_and_unknown_after_free()
    {
        Order(Ranked(g => g.Full("A", "03.03"))).Should().Equal("B", "A");
        Order(Ranked(g => g.Free("B", "03.03", 28))).Should().Equal("B", "A");
    }

    [Fact]
    public void A_free_day_that_is_past_counts_for_nothing() =>
        Codes(Ranked(g => g.Free("A", "03.03", -1))[1]).Should().Contain("FULL");

    [Fact]
    public void A_hospital_of_the_contract_comes_first_though_it_is_full() =>
        Order(Ranked(g => g.Free("A", "03.03", 2).Free("B", "03.03", 20), q => q with { Partners = ["B"] }))[0].Should().Be("B");

    [Fact]
    public void The_department_itself_comes_before_the_general_one()
    {
        var ranked = Ranked(g => g.House("C", "SecondaryHospital", "03", at: 1).Bond("al2", "CountyMedicalCommunity", "Tight", "C", "TOWN"));
        Order(ranked)[^1].Should().Be("C");
        Codes(ranked[^1]).Should().Contain("GENERAL_DEPARTMENT");
    }

    [Fact]
    public void A_house_without_the_department_is_no_candidate() =>
        Order(Ranked(g => g.House("C", "TertiaryHospital", "04.03", at: 1))).Should().NotContain("C");

    [Fact]
    public void An_emergency_goes_where_it_is_accepted_in_advance_and_to_the_centre_for_it()
    {
        var ranked = Ranked(g => g.House("CENTRE", "TertiaryHospital", "03.03", at: 50, services: "StrokeCentre").Agreed("TOWN", "CENTRE", "Stroke"),
            q => q with { Priority = Priority.Emergency, GreenChannel = GreenChannel.Stroke });
        ranked[0].Institution.Should().Be("CENTRE");
        Codes(ranked[0]).Should().Contain("STANDING_AGREEMENT").And.Contain("GREEN_CHANNEL_CENTRE").And.NotContain("TIER_SKIPPED");
    }

    [Fact]
    public void Whoever_had_it_before_the_sender_itself_and_real_houses_of_a_sandbox_are_left_out()
    {
        Order(Ranked(question: q => q with { Tried = ["A"] })).Should().Equal("B");
        Order(Ranked(g => g.Departments.Add(new("TOWN", "03.03", "x", true)))).Should().NotContain("TOWN");
        Order(Ranked(g => g.Institutions[0] = g.Institutions[0] with { Synthetic = false })).Should().Equal("B");
    }

    [Fact]
    public void A_level_below_what_the_indication_asks_for_is_held_against_it() =>
        Codes(Ranked(question: q => q with { Levels = ["TertiaryHospital"] })[0]).Should().Contain("TIER_BELOW_NEED");

    [Fact]
    public void The_most_senior_doctor_is_named_and_no_nurse() => Ranked(g => g.Clinicians.AddRange(
    [
        new("1", "A", "03.03", "甲", "主管护师(护士长)"), new("2", "A", "03.03", "乙", "主治医师"),
        new("4", "A", "03.03", "丙", "主任医师"), new("3", "A", "03.03", "丁", "副主任医师"), new("0", "B", "03.03", "戊", "护师"),
    ])).Select(c => c.Clinician).Should().Equal("4", null);

    [Fact]
    public void Downward_a_rehab_patient_goes_where_the_ward_is()
    {
        var g = new Ground().House("HOSPITAL", "SecondaryHospital", "21", at: 0)
            .House("NEAR", "TownshipHealthCentre", "21", at: 2, services: "RehabPhysio").House("WARD", "TownshipHealthCentre", "21", at: 12, services: "RehabPhysio RehabJointWard")
            .House("NONE", "TownshipHealthCentre", "21", at: 1).Bond("al", "CountyMedicalCommunity", "Tight", "HOSPITAL", "NEAR WARD NONE");
        var question = Ask("HOSPITAL", "21") with { Kind = ReferralKind.RehabReturn, PatientClass = PatientClass.Rehab, JointWard = true };
        Order(g.Rank(question)).Should().Equal("WARD", "NEAR", "NONE");
        Order(g.Rank(question with { JointWard = false }))[0].Should().Be("NEAR");
    }

    [Fact]
    public void The_score_is_the_sum_of_its_reasons_and_each_has_a_sentence_in_Chinese()
    {
        foreach (var candidate in Ranked(g => g.Free("A", "03.03", 3)))
        {
            candidate.Score.Should().Be(candidate.Reasons.Sum(r => r.Points));
            candidate.Reasons.Should().OnlyContain(r => r.Sentence.Any(c => c >= '\u4e00') && r.SentenceEn.All(c => c < '\u0080' || c >= '\u4e00'));
            candidate.Reasons.Select(r => r.Code).Should().OnlyHaveUniqueItems();
        }
    }

    [Theory]
    [InlineData(40.1205, 124.3810, 39.9550, 124.1900, 25)]
    [InlineData(39.9, 116.4, 31.2, 121.5, 1071)]
    [InlineData(40, 124, 40, 124, 0)]
    [InlineData(0, 179.9, 0, -179.9, 22)]
    public void Distances_are_great_circles(double lat1, double lon1, double lat2, double lon2, int km) =>
        Matcher.Kilometres(lat1, lon1, lat2, lon2).Should().BeCloseTo(km, 1);
}
