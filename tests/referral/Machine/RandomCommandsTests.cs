using System.Diagnostics;
using FluentAssertions;
using Xunit;
using Xunit.Abstractions;

namespace ReferralService.Tests.Machine;

public sealed class RandomCommandsTests(ITestOutputHelper output)
{
    private const int Million = 1_000_000;
    // the same whatever the number of cores: a seed leads to the same course everywhere
    private const int Courses = 8;

    [Fact]
    public void A_million_random_commands_get_the_verdict_of_the_table_and_keep_the_promises()
    {
        var seed = Seed();
        output.WriteLine($"seed {seed}; the same again with REFERRAL_SEED={seed}");
        var watch = Stopwatch.StartNew();
        var runs = new RandomCommands[Courses];
        Parallel.For(0, Courses, i =>
        {
            runs[i] = new(MovesModel.Whole, seed + i);
            runs[i].Run(Million / Courses);
        });
        output.WriteLine($"{runs.Sum(r => r.Commands):N0} commands, {runs.Sum(r => r.Done):N0} of them done, in {watch.Elapsed.TotalSeconds:N1} s");

        runs.Sum(r => r.Commands).Should().BeGreaterThanOrEqualTo(Million);
        var used = runs.SelectMany(r => r.Used.Keys).ToHashSet();
        MovesModel.Table.Where(l => !used.Contains(l) && !OnlyRaisedInside.Contains(l.Verb) && !NeverMet(l)).Select(l => l.ToString())
            .Should().BeEmpty("each line of the table is used");
    }

    [Theory]
    [InlineData("decline", "Submitted")]
    [InlineData("refuse-cancellation", "CancellationRequested")]
    [InlineData("follow-up", "Arrived")]
    [InlineData("booked", "Accepted")]
    public void A_line_that_is_missing_is_noticed(string verb, string from) =>
        Notices(line => line.Verb == verb && line.From == from ? null : line);

    [Fact]
    public void A_line_that_leads_elsewhere_is_noticed() =>
        Notices(line => line is { Verb: "withdraw-question" } ? line with { To = "Submitted" } : line);

    [Fact]
    public void A_line_for_another_side_is_noticed() =>
        Notices(line => line is { Verb: "take-back" } ? line with { Who = "receiver" } : line);

    [Fact]
    public void A_line_that_forgets_emergencies_is_noticed() =>
        Notices(line => line is { Verb: "withdraw-acceptance", From: "InTransit" } ? line with { Priority = "any" } : line);

    // a machine and a table that differ in one line: the comparison must say so, whichever of the two is wrong
    private void Notices(Func<Line, Line?> fault)
    {
        var run = new RandomCommands(MovesModel.Whole.With(fault), Seed());
        output.WriteLine($"seed {run.Seed}");
        var difference = Assert.Throws<DifferenceException>(() => run.Run(Million));
        output.WriteLine($"after {run.Commands:N0} commands: {difference.Message}");
    }

    private static int Seed() =>
        int.TryParse(Environment.GetEnvironmentVariable("REFERRAL_SEED"), out var seed) ? seed : Random.Shared.Next(1_000_000);

    // consequences of a linked referral's move: they come by themselves
    private static readonly HashSet<string> OnlyRaisedInside = ["return-arrived", "onward-accepted", "re-referral-accepted"];

    // an emergency is never under review (send-for-review does not take it, amend stays in Draft) and never missed
    private static bool NeverMet(Line line) =>
        line is { Verb: "submit", From: "InternalReview" } or { Verb: "redirect", From: "NoShow", Priority: "emergency" };
}
