using FluentAssertions;
using Referrals.Contracts;
using ReferralService.Referrals;
using ReferralService.Workflow;
using Xunit;

namespace ReferralService.Tests.Machine;

public sealed class EveryLineOfTheTableTests
{
    private static readonly Side[] Sides = [Side.Sender, Side.Receiver, Side.Alliance, Side.Approver, Side.System, Side.None];
    private static readonly ReferralKind[] Kinds = Enum.GetValues<ReferralKind>();
    private static readonly string?[] CameFrom = ["Accepted", "Waitlisted", "Scheduled", "NoShow", "InTransit"];
    private static readonly string?[] NoWhere = [null];

    public static TheoryData<string, string, string, string, string, string> Table()
    {
        var lines = new TheoryData<string, string, string, string, string, string>();
        foreach (var l in MovesModel.Table)
            lines.Add(l.Verb, l.From, l.To, l.Who, l.Direction, l.Priority);
        return lines;
    }

    [Theory, MemberData(nameof(Table))]
    public void A_line_of_the_table_moves_as_it_says_and_tells_it(string verb, string from, string to, string who, string direction, string priority)
    {
        var line = new Line(verb, from, to, who, direction, priority);
        var tried = 0;
        foreach (var row in Rows(from))
        {
            foreach (var side in Sides.Where(s => MovesModel.Whole.LineFor(InMemory.Standing(row), new(verb, s)) == line))
            {
                var r = row.Copy();
                var move = Verbs.Raise(r, verb, InMemory.By(side), InMemory.Noon.AddMinutes(1));
                move.Refusal.Should().BeNull("{0} may do it as {1} of {2} {3}", line, side, row.Priority, row.Kind);
                r.State.Should().Be(to switch
                {
                    Line.BackToTriage => row.ClaimedBy is null ? "Submitted" : "InTriage",
                    Line.WhereItCameFrom => row.CameFrom,
                    _ => to,
                }, "{0}", line);
                move.Rows.Where(x => x.EventBody is not null).Select(x => x.Event).Should().Equal(Told(verb, row, to), "{0}", line);
                tried++;
            }
        }
        tried.Should().BePositive("a line that nothing can use is a mistake of this test");
    }

    public static TheoryData<string> States() => [.. (string[])["new", .. MovesModel.States]];

    [Theory, MemberData(nameof(States))]
    public void Whatever_the_table_does_not_list_is_refused_for_every_side(string from)
    {
        foreach (var row in Rows(from))
        {
            foreach (var verb in Verbs.All)
            {
                foreach (var side in Sides)
                {
                    if (MovesModel.Whole.LineFor(InMemory.Standing(row), new(verb, side)) is not null)
                        continue;
                    var move = Verbs.Raise(row.Copy(), verb, InMemory.By(side), InMemory.Noon.AddMinutes(1));
                    move.WasDone().Should().BeFalse("{0} from {1} by {2} of {3} {4} is not in the table", verb, from, side, row.Priority, row.Kind);
                }
            }
        }
    }

    [Fact]
    public void The_machine_and_the_table_know_the_same_verbs()
    {
        var verbs = InMemory.Index.Moves.Select(m => m.Verb).Distinct().Order(StringComparer.Ordinal);
        verbs.Should().Equal(MovesModel.Whole.Lines.Select(l => l.Verb).Distinct().Order(StringComparer.Ordinal));
    }

    /// <summary>One row for each way a referral can stand in a state.</summary>
    internal static IEnumerable<Referral> Rows(string state)
    {
        foreach (var kind in Kinds)
        {
            foreach (var priority in Enum.GetValues<Priority>())
            {
                if (priority == Priority.Emergency && kind == ReferralKind.RehabReturn)
                    continue;
                foreach (var from in state == "CancellationRequested" ? CameFrom : NoWhere)
                    yield return InMemory.At(state, kind, priority, cameFrom: from);
                if (priority == Priority.Emergency)
                    yield return InMemory.At(state, kind, priority, agreement: true);
            }
            if (state == "InformationRequested")
            {
                var claimed = InMemory.At(state, kind);
                claimed.ClaimedBy = InMemory.Doctor;
                yield return claimed;
            }
            if (state is "Declined" or "Expired" or "Cancelled" or "Closed")
            {
                var (followed, died) = (InMemory.At(state, kind), InMemory.At(state, kind));
                (followed.LinkedId, died.Reason) = (Guid.NewGuid(), "DIED");
                yield return followed;
                yield return died;
            }
            if (state == "Treated")
            {
                var returning = InMemory.At(state, kind);
                returning.LiveChildId = Guid.NewGuid();
                yield return returning;
            }
        }
    }

    // the events of state-machine.md, by verb; a draft's life is told to nobody
    private static string[] Told(string verb, Referral before, string to) => verb switch
    {
        "draft" or "amend" or "discard" or "send-for-review" or "send-back" => [],
        "approve" => ["submitted"],
        "submit" => to == "InTransit" ? ["submitted", "accepted", "in-transit"] : ["submitted"],
        "make-emergency" => before.SubmittedAt is null ? ["submitted", "made-emergency", "in-transit"] : ["made-emergency", "in-transit"],
        "acknowledge" => ["acknowledged"],
        "claim" => ["triage-started"],
        "assign" => ["assigned"],
        "release" => ["released"],
        "request-information" => ["information-requested"],
        "supply-information" => ["information-supplied"],
        "withdraw-question" => ["question-withdrawn"],
        "accept" => ["accepted"],
        "decline" or "withdraw-acceptance" => ["declined"],
        "advise" => ["advised"],
        "convert" => ["converted"],
        "report" => ["reported"],
        "redirect" => ["redirected"],
        "booked" => before.State == "Scheduled" ? ["rescheduled"] : ["scheduled"],
        "no-capacity" => ["waitlisted"],
        "change-arrival" => ["arrival-changed"],
        "dispatch" => ["in-transit"],
        "arrive" => before.State switch
        {
            "" => ["submitted", "accepted", "arrived"],
            "Submitted" or "InTriage" or "InformationRequested" => ["accepted", "arrived"],
            _ => ["arrived"],
        },
        "start-treatment" => ["treatment-started"],
        "complete-treatment" => ["treated"],
        "return" => ["return-initiated"],
        "refer-onward" => ["referred-onward"],
        "return-arrived" or "onward-accepted" or "re-referral-accepted" or "complete-without-return" or "finish" => ["completed"],
        "follow-up" => ["follow-up-recorded"],
        "adjust-plan" => ["plan-adjusted"],
        "re-refer" => ["re-referred"],
        "cancel" or "confirm-cancellation" => ["cancelled"],
        "request-cancellation" => ["cancellation-requested"],
        "take-back" => ["cancellation-taken-back"],
        "refuse-cancellation" => ["cancellation-refused"],
        "expire" => ["expired"],
        "close" => ["closed"],
        _ => [verb],
    };
}
