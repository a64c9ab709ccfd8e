using FluentAssertions;
using ReferralService.Workflow;
using Xunit;

namespace ReferralService.Tests.Machine;

public sealed class AvailableActionsTests
{
    private static readonly Side[] Callers =
    [
        Side.None, Side.Sender, Side.Receiver, Side.Sender | Side.Approver, Side.Alliance, Side.Sender | Side.Receiver,
        Side.Alliance | Side.Sender | Side.Approver, Side.Alliance | Side.Receiver, Side.System,
    ];

    public static TheoryData<string> States() => [.. MovesModel.States];

    [Theory, MemberData(nameof(States))]
    public void What_is_offered_is_exactly_what_the_machine_lets_pass_and_what_the_table_says(string state)
    {
        foreach (var row in EveryLineOfTheTableTests.Rows(state))
        {
            foreach (var sides in Callers)
            {
                var offered = Verbs.All.Where(verb => InMemory.Index.Allows(row, verb, sides)).ToArray();
                var possible = Verbs.All.Where(verb => Verbs.Raise(row.Copy(), verb, InMemory.By(sides), InMemory.Noon.AddMinutes(1)).WasDone());
                var listed = Verbs.All.Where(verb => MovesModel.Whole.LineFor(InMemory.Standing(row), new(verb, sides)) is not null);
                offered.Should().Equal(possible, "{0} sees a {1} {2} in {3}", sides, row.Priority, row.Kind, state);
                offered.Should().Equal(listed, "{0} sees a {1} {2} in {3}", sides, row.Priority, row.Kind, state);
            }
        }
    }

    [Fact]
    public void A_stranger_is_offered_nothing_anywhere()
    {
        foreach (var state in MovesModel.States)
            foreach (var row in EveryLineOfTheTableTests.Rows(state))
                Verbs.All.Should().NotContain(verb => InMemory.Index.Allows(row, verb, Side.None));
    }
}
