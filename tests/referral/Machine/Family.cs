using Referrals.Contracts;
using ReferralService.Referrals;
using ReferralService.Workflow;

namespace ReferralService.Tests.Machine;

/// <summary>One referral of a family: the row as the machine left it, as the model expects it, as its events tell it.</summary>
internal sealed record Life(Referral Row, Standing Standing, Replay Heard)
{
    public static Life Of(Referral row) => new(row, InMemory.Standing(row), new());
    public Guid Id => Row.Id;
}

/// <summary>The machine did something else than the table says, or broke a promise.</summary>
internal sealed class DifferenceException(string message) : Exception(message);

/// <summary>
/// A referral with all that is linked to it, in memory. Each command goes through the machine and through the model,
/// and so does each move of a linked referral that follows; whatever differs is a <see cref="DifferenceException"/>.
/// </summary>
internal sealed class Family(MovesModel model)
{
    private readonly Dictionary<Guid, Life> _lives = [];

    public IReadOnlyCollection<Life> Lives => _lives.Values;
    public void Add(Referral row) => _lives.Add(row.Id, Life.Of(row));
    public Life Find(Guid id) => _lives[id];

    /// <summary>Asks for a move and says whether it was done.</summary>
    public bool Try(Guid id, Ask ask, DateTimeOffset now, Verbs.With with)
    {
        // everything happens on copies: a refused command leaves nothing behind
        var changed = new Dictionary<Guid, Life>();
        var life = _lives[id];
        var row = life.Row.Copy();
        var move = Verbs.Raise(row, ask.Verb, InMemory.By(ask.Sides, ask.Subject), now, with);
        var expected = model.After(life.Standing, ask);
        if (!Compare(life, ask, move, row, expected))
            return false;
        changed[id] = Heard(life, row, move, expected!);
        if (with.Linked is { } linked && ask.Verb is "return" or "refer-onward" or "re-refer" or "convert" or "refer-again")
        {
            changed[with.Linked!.Referral.Id] = Life.Of(with.Linked.Referral);
            Follow(changed, with.Linked.Referral.Id, new SubmitStart(), move);
            if (ask.Verb == "convert")
                Follow(changed, with.Linked.Referral.Id, new AcceptStart(), move);
        }
        foreach (var consequence in move.Consequences)
            Follow(changed, consequence.ReferralId, new Caused(consequence), move);
        foreach (var (key, value) in changed)
            _lives[key] = value;
        foreach (var value in changed.Values)
            Promises.Check(value, this);
        return true;
    }

    private void Follow(Dictionary<Guid, Life> changed, Guid id, Start start, Move cause)
    {
        var life = changed.GetValueOrDefault(id) ?? _lives[id];
        var row = life.Row.Copy();
        var move = start.Raise(row, cause);
        var ask = new Ask(move.Verb, Side.System | Side.Sender | Side.Receiver) { Linked = start.Linked };
        var expected = model.After(life.Standing, ask);
        if (!Compare(life, ask, move, row, expected))
        {
            if (start.Required)
                throw new DifferenceException($"{ask.Verb} of a linked referral was refused: {move.Refusal?.Type.Code}");
            return;
        }
        changed[id] = Heard(life, row, move, expected!);
        foreach (var next in move.Consequences)
            Follow(changed, next.ReferralId, new Caused(next), move);
    }

    // true: done by both; false: refused by both
    private static bool Compare(Life life, Ask ask, Move move, Referral row, Standing? expected)
    {
        var asked = $"{ask.Verb} by {ask.Sides} of a {life.Row.Priority} {life.Row.Kind} in {life.Standing.State}";
        if (move.WasDone() != expected is not null)
            throw new DifferenceException($"{asked}: the machine {(move.WasDone() ? $"goes to {row.State}" : $"refuses ({move.Refusal?.Type.Code ?? "unknown here"})")}, "
                + $"the table {(expected is null ? "refuses" : $"goes to {expected.State}")}");
        if (expected is null)
            return false;
        var got = InMemory.Standing(row);
        if (got with { Tried = expected.Tried, Sender = expected.Sender } != expected || !got.Tried.SequenceEqual(expected.Tried))
            throw new DifferenceException($"{asked}: the machine leaves {got}, the table {expected}");
        return true;
    }

    private static Life Heard(Life before, Referral row, Move move, Standing standing)
    {
        Promises.Rows(before, row, move);
        var heard = before.Heard;
        foreach (var told in move.Rows)
            if (told.EventBody is { } body)
                heard = heard.Hear(body);
        return new(row, standing, heard);
    }

    private abstract record Start(bool Required)
    {
        public virtual Guid? Linked => null;
        public abstract Move Raise(Referral row, Move cause);
    }

    private sealed record SubmitStart() : Start(true)
    {
        public override Move Raise(Referral row, Move cause) => InMemory.Driver
            .Follow(row, m => m.Submit, new ReferralService.Referrals.Intake.SubmitReferral(true), cause).GetAwaiter().GetResult();
    }

    private sealed record AcceptStart() : Start(true)
    {
        public override Move Raise(Referral row, Move cause) => InMemory.Driver
            .Follow(row, m => m.Accept, new ReferralService.Referrals.Decision.AcceptReferral(InMemory.Department, null, null), cause).GetAwaiter().GetResult();
    }

    private sealed record Caused(Consequence Consequence) : Start(Consequence.Required)
    {
        public override Guid? Linked => Consequence switch
        {
            Consequence<ReferralService.Referrals.Treatment.ReturnProgress> c => c.Command.ChildId,
            Consequence<ReferralService.Referrals.Treatment.ReturnPatient> c => c.Command.Child!.Referral.Id,
            Consequence<ReferralService.Referrals.Treatment.LinkedAccepted> c => c.Command.LinkedId,
            _ => null,
        };

        public override Move Raise(Referral row, Move cause) => Consequence.Raise(InMemory.Driver, row, cause).GetAwaiter().GetResult();
    }
}
