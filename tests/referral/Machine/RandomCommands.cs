using Referrals.Contracts;
using ReferralService.Workflow;

namespace ReferralService.Tests.Machine;

/// <summary>Drives random commands against machine and model; one seed, one course.</summary>
internal sealed class RandomCommands(MovesModel model, int seed)
{
    private static readonly Side[] Actors =
    [
        Side.Sender, Side.Receiver, Side.Alliance, Side.Sender | Side.Approver, Side.System, Side.None, Side.Sender | Side.Receiver,
        Side.Alliance | Side.Sender | Side.Approver, Side.Alliance | Side.Receiver,
    ];

    private static readonly ReferralKind[] Kinds = [.. Enum.GetValues<ReferralKind>(), ReferralKind.OutpatientTransfer, ReferralKind.InpatientTransfer];

    // what the machine itself raises on a linked referral is not asked from outside
    private static readonly string[] Asked =
        [.. Verbs.All.Except(["return-accepted", "return-arrived", "return-failed", "onward-accepted", "re-referral-accepted"])];

    // most roads end soon, and some moves change no state: these are taken less often, so that long lives are met as well
    private static readonly HashSet<string> Seldom =
    [
        "discard", "decline", "advise", "convert", "report", "expire", "cancel", "confirm-cancellation", "withdraw-acceptance", "close",
        "complete-without-return", "make-emergency", "raise-priority", "lower-priority", "attach", "note", "addendum", "mark-in-error",
        "file-consent", "identify-patient", "rate", "deadline-reached",
    ];

    // whoever does it somewhere
    private static readonly Dictionary<string, Side[]> Usually = Asked.ToDictionary(verb => verb, verb => Actors.Where(
        sides => MovesModel.Whole.Lines.Any(l => l.Verb == verb && l.LetsPass(new() { Sender = "", Tried = [] }, sides))).ToArray());

    private readonly Random _random = new(seed);

    /// <summary>Lines of the table that were used, with how often.</summary>
    public Dictionary<Line, int> Used { get; } = [];
    public int Seed => seed;
    public int Commands { get; private set; }
    public int Done { get; private set; }

    /// <summary>Runs at least so many commands; throws at the first difference.</summary>
    public void Run(int commands)
    {
        while (Commands < commands)
            RunFamily();
    }

    private void RunFamily()
    {
        var family = new Family(model);
        var kind = Pick(Kinds);
        var priority = kind != ReferralKind.RehabReturn && MovesModel.KindKnows(kind, "make-emergency", "") && _random.Next(4) == 0 ? Priority.Emergency : _random.Next(3) == 0 ? Priority.Urgent : Priority.Routine;
        var now = InMemory.Noon;
        var first = InMemory.New(kind, priority, agreement: priority == Priority.Emergency && _random.Next(2) == 0);
        first.Identified = _random.Next(2) == 0;
        family.Add(first);
        // a few more commands after the last end: it must stay one
        for (var after = 0; after < 8 && family.Lives.Count < 12;)
        {
            now += TimeSpan.FromMinutes(_random.Next(60));
            var life = family.Lives.ElementAt(_random.Next(family.Lives.Count));
            if (life.Standing.IsFinal && _random.Next(4) > 0)
                life = family.Lives.FirstOrDefault(l => !l.Standing.IsFinal) ?? life;
            Step(family, life, now);
            if (family.Lives.All(l => l.Standing.IsFinal))
                after++;
        }
    }

    private void Step(Family family, Life life, DateTimeOffset now)
    {
        var (verb, sides) = Choose(life.Standing);
        var ask = new Ask(verb, sides, _random.Next(8) == 0 ? InMemory.Author : "dr-test");
        var with = Verbs.Usual;
        switch (verb)
        {
            case "redirect":
                var target = Pick(InMemory.Hospitals);
                (ask, with) = (ask with { Target = target, Agrees = _random.Next(5) > 0 }, with with { Target = target });
                with = with with { Agrees = ask.Agrees };
                break;
            case "booked" or "no-capacity":
                var (leg, attempt) = (life.Row.Leg - (_random.Next(6) == 0 ? 1 : 0), life.Row.BookingAttempt + _random.Next(6) - 1);
                (ask, with) = (ask with { Leg = leg, Attempt = attempt }, with with { Leg = leg, Attempt = attempt });
                break;
            case "return" or "refer-onward" or "re-refer" or "convert":
                var emergency = verb is "refer-onward" or "re-refer" && _random.Next(3) == 0;
                var child = Verbs.Child(life.Row, verb switch
                {
                    "return" => Relation.Return, "convert" => Relation.Conversion, "refer-onward" => Relation.Onward, _ => Relation.ReReferral,
                }, now, Pick(Kinds[..2]), emergency ? Priority.Emergency : Priority.Routine, emergency && _random.Next(2) == 0);
                if (verb == "re-refer" && _random.Next(3) == 0)
                    child.Referral.Flags = [ReferralService.Referrals.Treatment.ReferFurther.PlannedCheckFlag];
                (ask, with) = (ask with { Linked = child.Referral.Id }, with with { Linked = child });
                break;
            case "refer-again":
                var parent = life.Row.ParentId is { } id ? family.Find(id).Row : null;
                var next = Verbs.Again(life.Row, parent is { IsFinal: false } && (life.Row.Relation != Relation.Return || parent is { State: "Treated", LiveChildId: null }) ? parent : null, now);
                (ask, with) = (ask with { Linked = next.Referral.Id, Target = next.Referral.Receiver, Agrees = _random.Next(5) > 0 }, with with { Linked = next });
                with = with with { Agrees = ask.Agrees };
                break;
            case "make-emergency":
                ask = ask with { Agreement = _random.Next(2) == 0 };
                with = with with { Agreement = ask.Agreement };
                break;
        }
        Commands++;
        if (model.LineFor(life.Standing, ask) is { } line)
            Used[line] = Used.GetValueOrDefault(line) + 1;
        if (family.Try(life.Id, ask, now, with))
            Done++;
    }

    // three times in five something that can be done here, otherwise anything by anybody
    private (string Verb, Side Sides) Choose(Standing r)
    {
        if (r.IsFinal || _random.Next(5) < 2)
        {
            var any = Pick(Asked);
            return (any, _random.Next(3) == 0 ? Pick(Actors) : Pick(Usually[any]));
        }
        for (var i = 0; i < 40; i++)
        {
            var (verb, sides) = (Pick(Asked), Pick(Actors));
            if ((!Seldom.Contains(verb) || _random.Next(10) == 0) && model.LineFor(r, new(verb, sides)) is not null)
                return (verb, sides);
        }
        return (Pick(Asked), Pick(Actors));
    }

    private T Pick<T>(T[] from) => from[_random.Next(from.Length)];
}
