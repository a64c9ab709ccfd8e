using System.Text.Json;
using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Rules;
using ServiceDefaults;
using Xunit;

namespace ReferralService.Tests.Rules;

/// <summary>What the rules say, as a pure function: the demo's three packs.</summary>
public sealed class RuleCheckTests
{
    private static readonly DateOnly Today = new(2026, 3, 2);

    internal static RulePack Pack(string id, int version = 1) => JsonSerializer.Deserialize<RulePack>(
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "demo", "rules", id + ".json")), Json.Strict)! with { Id = id, Version = version };

    internal static readonly RuleBook Book = new([Pack("hypertension"), Pack("diabetes"), Pack("upper-respiratory-infection")],
        [new("Sensitive", "A00-B99", new(2000, 1, 1), null), new("RehabJointWard", "S14.0-S14.1", new(2000, 1, 1), new(2026, 12, 31))],
        [new("I00-I99", "03.04", new(2000, 1, 1), null), new("I60-I69", "03.03", new(2000, 1, 1), null), new("I60-I62", "04.02", new(2000, 1, 1), new(2025, 12, 31))]);

    [Theory]
    // a common illness with nothing that speaks for going up
    [InlineData("J06.900", "", "", "Routine", "TertiaryHospital", "IN_CATALOGUE_NO_INDICATION!")]
    [InlineData("I10.x00x026", "", "systolic=150", "Routine", "SecondaryHospital", "IN_CATALOGUE_NO_INDICATION!")]
    [InlineData("E11.900", "", "hba1c=8.9", "Routine", "SecondaryHospital", "IN_CATALOGUE_NO_INDICATION!")]
    // ticked, measured, or said by the diagnosis itself
    [InlineData("J06.900", "URI_UP_FEVER", "", "Routine", "SecondaryHospital", "INDICATED")]
    [InlineData("I10.x00x026", "", "systolic=180", "Routine", "SecondaryHospital", "INDICATED")]
    [InlineData("E11.201+N08.3*", "", "", "Routine", "SecondaryHospital", "INDICATED")]
    // below 93, and 93 itself
    [InlineData("J06.900", "", "spo2=92.9", "Urgent", "SecondaryHospital", "INDICATED")]
    [InlineData("J06.900", "", "spo2=93", "Urgent", "SecondaryHospital", "IN_CATALOGUE_NO_INDICATION!")]
    // an indication for going down is none for going up
    [InlineData("J06.900", "URI_DOWN_RECOVERING", "", "Routine", "SecondaryHospital", "IN_CATALOGUE_NO_INDICATION!")]
    // sooner than it is asked, and a clinic where a hospital is needed
    [InlineData("I10.x00", "HTN_UP_STROKE_SIGNS", "", "Routine", "SecondaryHospital", "INDICATED PRIORITY_TOO_LOW")]
    [InlineData("I10.x00", "HTN_UP_STROKE_SIGNS", "", "Urgent", "CommunityHealthCentre", "INDICATED RECEIVING_TIER_TOO_LOW!")]
    // an emergency is told the same and held by nothing
    [InlineData("J06.900", "", "", "Emergency", "TertiaryHospital", "IN_CATALOGUE_NO_INDICATION")]
    [InlineData("I63.900", "", "", "Routine", "TertiaryHospital", "NOT_COVERED")]
    [InlineData(null, "", "", "Routine", "TertiaryHospital", "UNCODED")]
    public void An_upward_transfer_is_judged(string? diagnosis, string ticked, string measured, string priority, string level, string expected) =>
        Say(Ask(diagnosis, ticked, measured, priority, level)).Should().Be(expected);

    [Theory]
    [InlineData(ReferralKind.Examination)]
    [InlineData(ReferralKind.DiagnosticReading)]
    [InlineData(ReferralKind.Teleconsultation)]
    [InlineData(ReferralKind.Advice)]
    public void Nothing_stands_against_kinds_that_leave_the_patient_at_the_primary_level(ReferralKind kind) =>
        Say(RuleCheck.Of(Question("J06.900") with { Kind = kind }, Book)).Should().Be("PATIENT_STAYS");

    [Theory]
    [InlineData("DM_DOWN_CONTROLLED", "DOWN_INDICATED")]
    [InlineData("", "NO_DOWN_INDICATION")]
    [InlineData("DM_UP_ACUTE", "NO_DOWN_INDICATION")]
    public void The_way_back_is_judged_and_never_warned(string ticked, string expected) =>
        Say(RuleCheck.Of(Question("E11.900", ticked) with { Kind = ReferralKind.RehabReturn }, Book)).Should().Be(expected);

    [Theory]
    [InlineData(-1, "INDICATED")]
    [InlineData(-2, "INDICATED DELAYED_REFERRAL")]
    public void An_indication_that_stood_too_long_is_a_delay(int since, string expected)
    {
        var check = RuleCheck.Of(Question("J06.900", "URI_UP_COMPLICATION") with { IndicatedSince = Today.AddDays(since) }, Book);
        Say(check).Should().Be(expected);
        check.Flags.Should().Equal(since == -2 ? ["DELAYED_REFERRAL"] : []);
        check.Warnings.Should().BeEmpty("a delay is counted, not held against the patient");
    }

    [Fact]
    public void A_receiver_above_every_level_of_the_indication_is_warned_of()
    {
        var pack = Pack("diabetes");
        pack = pack with { Criteria = [.. pack.Criteria!.Select(c => c with { Levels = ["SecondaryHospital"] })] };
        Say(RuleCheck.Of(Question("E11.900", "DM_UP_SPECIAL"), new([pack], [], []))).Should().Be("INDICATED RECEIVING_TIER_TOO_HIGH!");
    }

    [Fact]
    public void Each_finding_has_a_Chinese_sentence_and_says_which_version_of_which_pack_it_comes_from()
    {
        var finding = RuleCheck.Of(Question("J06.900"), Book).Findings.Should().ContainSingle().Subject;
        finding.Sentence.Should().Be("「急性上呼吸道感染」属基层首诊病种，未见上转指征；确需上转请填写理由。");
        (finding.Pack, finding.PackVersion).Should().Be(("upper-respiratory-infection", 1));
    }

    [Theory]
    [InlineData("2024-12-31", "NOT_COVERED")]
    [InlineData("2025-01-01", "IN_CATALOGUE_NO_INDICATION!")]
    [InlineData("2026-06-30", "IN_CATALOGUE_NO_INDICATION!")]
    [InlineData("2026-07-01", "NO_INDICATION")]
    [InlineData("2027-01-01", "NOT_COVERED")]
    public void The_version_that_began_last_holds_and_what_has_ended_does_not(string day, string expected)
    {
        // the second version is no longer first contact and ends with the year
        var book = new RuleBook([Pack("diabetes"), Pack("diabetes", 2) with { Since = new(2026, 7, 1), Until = new(2026, 12, 31), FirstContact = false }], [], []);
        Say(RuleCheck.Of(Question("E11.900") with { On = DateOnly.Parse(day) }, book)).Should().Be(expected);
    }

    [Theory]
    [InlineData("E11", "E11.900", true)]
    [InlineData("E11", "E12", false)]
    [InlineData("I10-I15", "I10.x00x032", true)]
    [InlineData("I10-I15", "i15.900", true)]
    [InlineData("I10-I15", "I16", false)]
    [InlineData("S14.0-S14.1", "S14.101", true)]
    [InlineData("S14.0-S14.1", "S14.2", false)]
    [InlineData("S14.0-S14.1", "S14", true)]
    [InlineData("A00-B99", "B99.x00", true)]
    [InlineData("A00-B99", "C00", false)]
    public void A_code_lies_in_a_range_as_far_as_both_go(string range, string code, bool inside) =>
        CodeRange.Parse(range)!.Value.Contains(code).Should().Be(inside);

    [Theory]
    [InlineData("")]
    [InlineData("I15-I10")]
    [InlineData("I10 - I15")]
    [InlineData("%")]
    [InlineData("I10-I15-I20")]
    public void What_is_no_range_is_refused(string text) => CodeRange.Parse(text).Should().BeNull();

    [Fact]
    public void Sets_of_diagnoses_hold_on_their_days_only()
    {
        Book.InSet("RehabJointWard", "S14.100", new(2026, 12, 31)).Should().BeTrue();
        Book.InSet("RehabJointWard", "S14.100", new(2027, 1, 1)).Should().BeFalse();
        Book.InSet("RehabJointWard", "S14.2", new(2026, 12, 31)).Should().BeFalse();
        Book.InSet("RehabJointWard", null, Today).Should().BeFalse();
    }

    [Fact]
    public void The_narrowest_specialty_treats_a_diagnosis()
    {
        Book.DepartmentsFor("I10.x00", Today).Should().Equal("03.04");
        Book.DepartmentsFor("I61.900", Today).Should().Equal("03.03");
        Book.DepartmentsFor("I61.900", new(2025, 6, 1)).Should().Equal("04.02");
        Book.DepartmentsFor("Q00", Today).Should().BeEmpty();
    }

    private static RuleQuestion Question(string? diagnosis, string ticked = "", string measured = "") => new(
        ReferralKind.OutpatientTransfer, Priority.Routine, diagnosis, Words(ticked),
        Words(measured).Select(m => m.Split('=')).ToDictionary(m => m[0], m => decimal.Parse(m[1], System.Globalization.CultureInfo.InvariantCulture)), null, "TertiaryHospital", Today);

    private static RuleCheck Ask(string? diagnosis, string ticked, string measured, string priority, string level) =>
        RuleCheck.Of(Question(diagnosis, ticked, measured) with { Priority = Enum.Parse<Priority>(priority), ReceiverLevel = level }, Book);

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);

    private static string Say(RuleCheck check) => string.Join(' ', check.Findings.Select(f => f.Code + (f.Weight == RuleWeight.Warning ? "!" : "")));
}
