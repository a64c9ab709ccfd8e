using System.Text;

namespace ReferralService.Workflow;

/// <summary>Writes <c>lifecycle.md</c>: the machine's own page as diagrams and a table.</summary>
internal static class Lifecycle
{
    private static readonly string[] Up =
        ["claim", "accept", "booked", "no-capacity", "dispatch", "arrive", "start-treatment", "complete-treatment", "return", "return-arrived", "submit", "decline", "cancel", "no-show", "request-cancellation", "confirm-cancellation", "expire"];
    private static readonly string[] Down = ["submit", "accept", "booked", "dispatch", "arrive", "follow-up", "finish", "re-refer", "decline", "cancel"];

    public static string Write(MoveIndex index)
    {
        var text = new StringBuilder("""
            # The life of a referral

            Generated from `Referrals/ReferralStateMachine.cs`; a test holds it fresh. What is not here is refused with 409
            and the list of what is possible.

            ## Up: clinic to hospital, the way most referrals go

            ```mermaid
            stateDiagram-v2

            """);
        Diagram(text, index, Up, state => state is not "FollowUp");
        text.Append("""
            ```

            ## Down: hospital to clinic, rehab ward or nursing home

            ```mermaid
            stateDiagram-v2

            """);
        Diagram(text, index, Down, state => state is not ("InTreatment" or "Treated" or "Advised"));
        text.Append("""
            ```

            ## Every move

            | from | verb | to | who |
            |---|---|---|---|

            """);
        foreach (var move in index.Moves)
            text.Append("| ").Append(Named(move.From)).Append(" | ").Append(move.Verb).Append(" | ").AppendJoin(", ", move.To)
                .Append(" | ").Append(Who(move)).Append(" |\n");
        return text.ToString();
    }

    private static void Diagram(StringBuilder text, MoveIndex index, string[] verbs, Func<string, bool> shows)
    {
        var drawn = new HashSet<string>();
        foreach (var move in index.Moves.Where(m => verbs.Contains(m.Verb) && shows(m.From)))
            foreach (var to in move.To.Where(to => to != move.From && shows(to)))
                if (drawn.Add($"{move.From} {to} {move.Verb}"))
                    text.Append("    ").Append(move.From == "Initial" ? "[*]" : move.From).Append(" --> ").Append(to).Append(" : ").Append(move.Verb).Append('\n');
        foreach (var end in new[] { "Completed", "Declined", "Cancelled", "Expired" }.Where(e => drawn.Any(d => d.Split(' ')[1] == e)))
            text.Append("    ").Append(end).Append(" --> [*]\n");
    }

    private static string Named(string state) => state == "Initial" ? "(new)" : state;

    private static string Who(MachineMove move)
    {
        var sides = move.Guards.Aggregate(~Side.None, (all, guard) => all & guard.Sides);
        return string.Join(", ", Enum.GetValues<Side>().Where(s => s != Side.None && sides.HasFlag(s)).Select(s => s.ToString().ToLowerInvariant()));
    }
}
