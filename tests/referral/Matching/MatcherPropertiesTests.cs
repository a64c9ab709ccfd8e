using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Matching;
using Xunit;
using Xunit.Abstractions;
using static ReferralService.Tests.Matching.Ground;

namespace ReferralService.Tests.Matching;

/// <summary>
/// What holds of every ranking, on random alliances: the same order each time and however the ground was read, scores
/// that depend on nobody else, and no improvement that costs a place. A failure names the seed that repeats it.
/// </summary>
public sealed class MatcherPropertiesTests(ITestOutputHelper output)
{
    private const int Rounds = 300;
    private static readonly string[] Levels = ["VillageClinic", "TownshipHealthCentre", "SecondaryHospital", "TertiaryHospital", "NursingHome", "DiagnosticCentre"];
    private static readonly string[] Forms = ["UrbanMedicalGroup", "CountyMedicalCommunity", "CrossRegionSpecialistAlliance", "TelemedicineNetwork"];
    private static readonly string[] Bonds = ["Tight", "SemiTight", "Loose", "Mixed"];

    [Fact]
    public void The_same_question_gives_the_same_answer() => Each((ground, question, _) =>
        Text(ground.Rank(question)).Should().Be(Text(ground.Copy().Rank(question))));

    [Fact]
    public void The_order_in_which_the_ground_was_read_does_not_matter() => Each((ground, question, random) =>
    {
        var shuffled = ground.Copy();
        Shuffle(random, shuffled.Institutions);
        Shuffle(random, shuffled.Departments);
        Shuffle(random, shuffled.Clinicians);
        Shuffle(random, shuffled.Alliances);
        Shuffle(random, shuffled.Memberships);
        Shuffle(random, shuffled.Agreements);
        Shuffle(random, shuffled.Capacity);
        Text(shuffled.Rank(question)).Should().Be(Text(ground.Rank(question)));
    });

    [Fact]
    public void Nobodys_score_depends_on_who_else_is_there() => Each((ground, question, random) =>
    {
        var ranked = ground.Rank(question);
        if (ranked.Count < 2)
            return;
        var gone = ranked[random.Next(ranked.Count)].Institution;
        var without = ground.Copy();
        without.Departments.RemoveAll(d => d.Institution == gone);
        Text(without.Rank(question)).Should().Be(Text(ranked.Where(c => c.Institution != gone)));
    });

    [Fact]
    public void Becoming_free_sooner_never_costs_a_place() => Improves((ground, c, random) =>
    {
        if (ground.Capacity.Find(x => (x.Institution, x.Department) == (c.Institution, c.Department)) is not { Days: [var day] } known || day <= Today)
            return false;
        ground.Free(known.Institution, known.Department, random.Next(0, day.DayNumber - Today.DayNumber), known.Counts[0]);
        return true;
    });

    [Fact]
    public void Coming_nearer_never_costs_a_place() => Improves((ground, c, random) =>
    {
        var i = ground.Institutions.FindIndex(x => x.Code == c.Institution);
        var sender = ground.Institutions[0];
        if (ground.Institutions[i].Latitude is not { } lat || sender.Latitude is not { } home)
            return false;
        ground.Institutions[i] = ground.Institutions[i] with { Latitude = home + (lat - home) * random.NextDouble() };
        return true;
    });

    [Fact]
    public void Joining_an_alliance_with_the_sender_never_costs_a_place() => Improves((ground, c, random) =>
    {
        ground.Bond("new", "UrbanMedicalGroup", Bonds[random.Next(4)], c.Institution, ground.Institutions[0].Code);
        return true;
    });

    [Fact]
    public void Being_a_hospital_of_the_contract_never_costs_a_place() => Each((ground, question, random) =>
    {
        var ranked = ground.Rank(question);
        if (ranked.Count == 0)
            return;
        var lucky = ranked[random.Next(ranked.Count)];
        Place(ground.Rank(question with { Partners = [.. question.Partners, lucky.Institution] }), lucky).Should().BeLessThanOrEqualTo(Place(ranked, lucky));
    });

    [Fact]
    public void Nobody_is_offered_twice_and_the_score_falls_from_top_to_bottom() => Each((ground, question, _) =>
    {
        var ranked = ground.Rank(question);
        ranked.Select(c => (c.Institution, c.Department)).Should().OnlyHaveUniqueItems();
        ranked.Select(c => c.Score).Should().BeInDescendingOrder();
        ranked.Should().NotContain(c => c.Institution == question.Sender || question.Tried.Contains(c.Institution));
    });

    private void Improves(Func<Ground, Candidate, Random, bool> improve)
    {
        var improved = 0;
        Each((ground, question, random) =>
        {
            var ranked = ground.Rank(question);
            if (ranked.Count == 0)
                return;
            var (lucky, better) = (ranked[random.Next(ranked.Count)], ground.Copy());
            if (!improve(better, lucky, random))
                return;
            improved++;
            Place(better.Rank(question), lucky).Should().BeLessThanOrEqualTo(Place(ranked, lucky));
        });
        improved.Should().BeGreaterThan(Rounds / 10, "a property that was hardly ever asked shows nothing");
    }

    private void Each(Action<Ground, MatchQuestion, Random> holds)
    {
        var first = Environment.TickCount;
        var candidates = 0;
        for (var seed = first; seed < first + Rounds; seed++)
        {
            var random = new Random(seed);
            var ground = RandomGround(random);
            var question = Ask("I00", random.Next(3) == 0 ? "03.03 03.04" : "03.03") with
            {
                Kind = random.Next(4) == 0 ? ReferralKind.RehabReturn : ReferralKind.OutpatientTransfer,
                Priority = (Priority)random.Next(3), PatientClass = random.Next(2) == 0 ? PatientClass.Rehab : null, JointWard = random.Next(2) == 0,
                GreenChannel = random.Next(2) == 0 ? GreenChannel.Stroke : null, ResidenceGrid = "G" + random.Next(3), Tried = random.Next(3) == 0 ? ["I03"] : [],
            };
            candidates += ground.Rank(question).Count;
            try
            {
                holds(ground, question, random);
            }
            catch (Exception)
            {
                output.WriteLine($"seed {seed}");
                throw;
            }
        }
        output.WriteLine($"{candidates} candidates in {Rounds} alliances from seed {first}");
        candidates.Should().BeGreaterThan(Rounds);
    }

    private static Ground RandomGround(Random random)
    {
        var ground = new Ground();
        var count = random.Next(4, 14);
        for (var i = 0; i < count; i++)
            ground.House($"I{i:00}", i == 0 ? Levels[random.Next(1, 4)] : Levels[random.Next(Levels.Length)],
                string.Join(' ', new[] { "02", "03", "03.03", "03.04", "21" }.Where(_ => random.Next(2) == 0)),
                random.Next(5) == 0 ? null : random.Next(0, 150), string.Join(' ', new[] { "StrokeCentre", "RehabPhysio", "RehabJointWard" }.Where(_ => random.Next(2) == 0)),
                random.Next(2) == 0 ? null : "G" + random.Next(3));
        for (var i = 0; i < random.Next(4); i++)
            ground.Bond("al" + i, Forms[random.Next(4)], Bonds[random.Next(4)], $"I{random.Next(count):00}",
                string.Join(' ', Enumerable.Range(0, count).Where(_ => random.Next(3) == 0).Select(n => $"I{n:00}")));
        for (var i = 0; i < 3; i++)
            ground.Agreed("I00", $"I{random.Next(count):00}", random.Next(2) == 0 ? null : "Stroke");
        ground.Memberships.RemoveAll(m => ground.Memberships.IndexOf(m) != ground.Memberships.FindIndex(x => x.Alliance == m.Alliance && x.Institution == m.Institution));
        foreach (var d in ground.Departments.Where(_ => random.Next(3) > 0).ToArray())
            ground.Free(d.Institution, d.Code, random.Next(0, 30), random.Next(4));
        for (var i = 0; i < 6; i++)
            ground.Clinicians.Add(new("c" + i, $"I{random.Next(count):00}", "03.03", "医生", random.Next(2) == 0 ? "主任医师" : "主治医师"));
        return ground;
    }

    private static int Place(IReadOnlyList<Candidate> ranked, Candidate c) =>
        ranked.TakeWhile(x => (x.Institution, x.Department) != (c.Institution, c.Department)).Count();

    private static string Text(IEnumerable<Candidate> ranked) => string.Join('\n', ranked.Select(c =>
        $"{c.Institution} {c.Department} {c.Clinician} {c.Score} {c.EarliestOn} {c.WaitingDays} {c.DistanceKm} " + string.Join(' ', c.Reasons)));

    private static void Shuffle<T>(Random random, List<T> list)
    {
        var shuffled = list.ToArray();
        random.Shuffle(shuffled);
        list.Clear();
        list.AddRange(shuffled);
    }
}
