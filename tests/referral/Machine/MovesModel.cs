using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Workflow;

namespace ReferralService.Tests.Machine;

/// <summary>One line of the table of moves.</summary>
/// <param name="From">State, or <c>new</c> for a referral that has not moved yet.</param>
/// <param name="To">State, or one of the two destinations in words.</param>
internal sealed record Line(string Verb, string From, string To, string Who, string Direction, string Priority)
{
    public const string BackToTriage = "InTriage if still claimed, else Submitted";
    public const string WhereItCameFrom = "where it came from";
    private const string OnlySometimesBySystem = "system only if it did not come from InTransit and not emergency";

    public override string ToString() => $"{Verb}: {From} → {To} by {Who}, {Direction}, {Priority}";

    public bool LetsPass(Standing r, Side sides)
    {
        var allowed = Side.None;
        if (Who.Contains("sender", StringComparison.Ordinal))
            allowed |= Side.Sender;
        if (Who.Contains("receiver", StringComparison.Ordinal))
            allowed |= Side.Receiver;
        if (Who.Contains("alliance", StringComparison.Ordinal))
            allowed |= Side.Alliance;
        if (Who.Contains("approver", StringComparison.Ordinal))
            allowed |= Side.Approver;
        if (Who.Contains("system", StringComparison.Ordinal)
            && (!Who.Contains(OnlySometimesBySystem, StringComparison.Ordinal) || r.CameFrom != "InTransit" && !r.IsEmergency))
            allowed |= Side.System;
        return (sides & allowed) != 0;
    }

    public bool Fits(Standing r) =>
        Direction.Split(' ').Contains(r.IsUp ? "up" : "down")
        && Priority switch
        {
            "any" => true,
            "not emergency" => !r.IsEmergency,
            "emergency" => r.IsEmergency,
            "emergency with standing agreement" => r is { IsEmergency: true, Agreement: true },
            "emergency without standing agreement" => r is { IsEmergency: true, Agreement: false },
            _ => throw new FormatException($"moves.csv names a priority that nobody knows: {Priority}"),
        };
}

/// <summary>
/// The table of moves as the domain wrote it, with what the text beside it adds: which kinds leave which moves out, the
/// annotations, and the guards that depend on the row. It never looks at the machine; tests hold the machine against it.
/// </summary>
internal sealed class MovesModel
{
    public static readonly string[] Finals = ["Completed", "Advised", "Declined", "Cancelled", "Expired", "Closed"];

    public static readonly string[] BeforeArrival =
        ["Submitted", "InTriage", "InformationRequested", "Accepted", "Waitlisted", "Scheduled", "NoShow", "InTransit", "CancellationRequested"];

    public static readonly string[] Open = [.. BeforeArrival, "Arrived", "InTreatment", "Treated", "FollowUp"];

    public static readonly string[] States = ["Draft", "InternalReview", .. Open, .. Finals];

    private readonly Dictionary<(string From, string Verb), Line[]> _lines;

    private MovesModel(IEnumerable<Line> lines)
    {
        Lines = [.. lines];
        _lines = Lines.GroupBy(l => (l.From, l.Verb)).ToDictionary(g => g.Key, g => g.ToArray());
    }

    /// <summary>moves.csv, line by line.</summary>
    public static IReadOnlyList<Line> Table { get; } =
        [.. Csv.Read(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "moves.csv")))
            .Select(l => new Line(l["verb"]!, l["from"]!, l["to"]!, l["who"]!, l["direction"]!, l["priority"]!))];

    public static MovesModel Whole { get; } = new(Table.Concat(BesideTheTable()));

    public IReadOnlyList<Line> Lines { get; }

    /// <summary>The same with one line altered or, for null, left out: what a fault in the machine would look like.</summary>
    public MovesModel With(Func<Line, Line?> change) => new(Lines.Select(change).OfType<Line>());

    // "annotations left out": the rows of the text that moves.csv does not carry
    private static IEnumerable<Line> BesideTheTable()
    {
        Line Same(string verb, string state, string who) => new(verb, state, state, who, "up down", "any");
        foreach (var state in BeforeArrival)
            yield return Same("raise-priority", state, "sender or receiver");
        yield return Same("lower-priority", "InTriage", "receiver");
        foreach (var state in Open)
            foreach (var verb in (string[])["attach", "note"])
                yield return Same(verb, state, "sender or receiver");
        // "any non-final the caller may see": a draft is seen by its sender
        foreach (var state in (string[])["Draft", "InternalReview"])
            foreach (var verb in (string[])["attach", "note"])
                yield return Same(verb, state, "sender");
        foreach (var state in Open.Concat(Finals))
            foreach (var verb in (string[])["addendum", "mark-in-error", "file-consent", "identify-patient", "rate"])
                yield return Same(verb, state, "sender or receiver");
        // "a mistake is mended by a linked re-referral, never by reopening"
        foreach (var state in (string[])["Declined", "Expired", "Cancelled", "Closed"])
            yield return Same("refer-again", state, "sender");
        // a timer that only tells, and what a downward child tells its parent
        foreach (var state in Open.Append("Draft").Append("InternalReview"))
            yield return Same("deadline-reached", state, "system");
        yield return Same("return-accepted", "Treated", "system");
        yield return Same("return-failed", "Treated", "system");
    }

    /// <summary>The line that lets this pass, or null: it is refused.</summary>
    public Line? LineFor(Standing r, Ask ask)
    {
        if (!_lines.TryGetValue((r.State, ask.Verb), out var lines) || !KindKnows(r.Kind, ask.Verb, r.State) || !RowAllows(r, ask.Verb))
            return null;
        foreach (var line in lines)
            if (line.Fits(r) && line.LetsPass(r, ask.Sides))
                return line;
        return null;
    }

    /// <summary>How the referral stands after this was asked; null when it is refused.</summary>
    public Standing? After(Standing r, Ask ask)
    {
        if (LineFor(r, ask) is not { } line || !AskAllows(r, ask))
            return null;
        var to = line.To switch
        {
            Line.BackToTriage => r.Claimed ? "InTriage" : "Submitted",
            Line.WhereItCameFrom => r.CameFrom!,
            _ => line.To,
        };
        return r.Moved(ask, to);
    }

    /// <summary>What the kinds leave out, and the good ends that only they have.</summary>
    public static bool KindKnows(ReferralKind kind, string verb, string from)
    {
        var staysHome = kind is ReferralKind.DiagnosticReading or ReferralKind.Advice;
        var transfer = kind is ReferralKind.OutpatientTransfer or ReferralKind.InpatientTransfer;
        return verb switch
        {
            // its good ends, advice and convert, start before acceptance, and booking, arrival and treatment are left out:
            // an accepted Advice could only be given back
            "accept" => kind != ReferralKind.Advice,
            "booked" or "no-capacity" or "booking-cancelled" or "no-show" => !staysHome,
            "dispatch" or "change-arrival" or "arrive" => !staysHome,
            // it is on its way at once: nobody is where arrival is left out
            "make-emergency" => !staysHome,
            "return" => transfer,
            "convert" => kind is ReferralKind.Advice or ReferralKind.Teleconsultation or ReferralKind.DiagnosticReading,
            "report" => from is "InTriage" or "Accepted"
                ? kind == ReferralKind.DiagnosticReading
                : kind is ReferralKind.Examination or ReferralKind.Teleconsultation,
            _ => true,
        };
    }

    // guards of the text that available-actions can know
    private static bool RowAllows(Standing r, string verb) => verb switch
    {
        "return" => r.LiveChild is null,
        "return-accepted" or "return-arrived" or "return-failed" => r.LiveChild is not null,
        "raise-priority" => r.Priority == Priority.Routine,
        "lower-priority" => r.Priority == Priority.Urgent,
        "mark-in-error" => r is { Submitted: true, InError: false },
        "identify-patient" => r is { Submitted: true, Identified: false },
        "addendum" or "file-consent" or "rate" => r.Submitted,
        "refer-again" => r is { Submitted: true, GoesOn: false, Gone: false },
        _ => true,
    };

    // guards that depend on what is asked
    private static bool AskAllows(Standing r, Ask ask) => ask.Verb switch
    {
        "approve" => ask.Subject != r.Author,
        "redirect" => ask.Target != r.Sender && !r.Tried.Contains(ask.Target!) && (r.IsEmergency || ask.Agrees && r.Leg < 3),
        "refer-again" => r.Tried.Contains(ask.Target!) ? r.State is "Cancelled" or "Closed" && ask.Target == r.Tried[^1] : r.IsEmergency || ask.Agrees,
        "booked" or "no-capacity" => ask.Leg == r.Leg && ask.Attempt > r.Attempt,
        "return-accepted" or "return-arrived" or "return-failed" => r.LiveChild == ask.Linked,
        _ => true,
    };
}

/// <summary>What is asked of a referral, as far as the model cares.</summary>
internal sealed record Ask(string Verb, Side Sides, string Subject = "")
{
    public string? Target { get; init; }
    public bool Agrees { get; init; } = true;
    public bool Agreement { get; init; }
    public int Leg { get; init; }
    public long Attempt { get; init; }
    public Guid? Linked { get; init; }
}

/// <summary>How a referral stands, in the words of the model.</summary>
internal sealed record Standing
{
    public string State { get; init; } = "new";
    public ReferralKind Kind { get; init; }
    public Priority Priority { get; init; }
    public bool Agreement { get; init; }
    public required string Sender { get; init; }
    public required string[] Tried { get; init; }
    public int Leg { get; init; }
    public string Author { get; init; } = "";
    public bool Submitted { get; init; }
    public bool Claimed { get; init; }
    public string? CameFrom { get; init; }
    public long Attempt { get; init; }
    public Guid? LiveChild { get; init; }
    public bool Identified { get; init; } = true;
    public bool InError { get; init; }
    /// <summary>Under another number, by whatever link.</summary>
    public bool GoesOn { get; init; }
    /// <summary>Died, or a duplicate: nobody is referred again.</summary>
    public bool Gone { get; init; }

    public bool IsUp => Kind != ReferralKind.RehabReturn;
    public bool IsEmergency => Priority == Priority.Emergency;
    public bool IsFinal => MovesModel.Finals.Contains(State);

    public Standing Moved(Ask ask, string to)
    {
        var next = ask.Verb switch
        {
            "amend" => this with { Author = ask.Subject },
            "submit" or "approve" => this with { Submitted = true, Leg = 1 },
            "arrive" => this with { Submitted = true, Leg = Math.Max(1, Leg), Claimed = false, CameFrom = null },
            "make-emergency" => this with
            {
                Submitted = true, Leg = Math.Max(1, Leg), Claimed = false, Priority = Priority.Emergency, Agreement = ask.Agreement,
            },
            "claim" or "assign" => this with { Claimed = true },
            "release" or "accept" => this with { Claimed = false },
            "redirect" => this with { Leg = Leg + 1, Tried = [.. Tried, ask.Target!], Claimed = false, Agreement = ask.Agreement },
            "booked" or "no-capacity" => this with { Attempt = ask.Attempt },
            "request-cancellation" => this with { CameFrom = State },
            "take-back" or "refuse-cancellation" => this with { CameFrom = null },
            "return" => this with { LiveChild = ask.Linked },
            "return-failed" => this with { LiveChild = null },
            "raise-priority" => this with { Priority = Priority.Urgent },
            "lower-priority" => this with { Priority = Priority.Routine },
            "identify-patient" => this with { Identified = true },
            "mark-in-error" => this with { InError = true },
            "refer-onward" or "re-refer" or "convert" or "refer-again" or "onward-accepted" or "re-referral-accepted" => this with { GoesOn = true },
            _ => this,
        };
        next = next with { State = to };
        return next.IsFinal ? next with { Claimed = false, CameFrom = null, LiveChild = null } : next;
    }
}
