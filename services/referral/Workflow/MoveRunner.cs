using MassTransit;
using ReferralService.Alliances;
using ReferralService.Referrals;
using ServiceDefaults.Http;

namespace ReferralService.Workflow;

/// <summary>What came of a command: stored, refused, or in need of another look.</summary>
internal sealed record Ran(Saved Saved, Problem? Refusal, Referral Referral);

/// <summary>
/// Carries one command through the machine, follows what it brings about in linked referrals, and stores the whole.
/// HTTP, bus events and timers all come through here.
/// </summary>
internal sealed class MoveRunner(MoveDriver driver, ReferralStore store, AllianceDirectory directory, TimeProvider clock)
{
    public ReferralStateMachine Machine => driver.Machine;
    public AllianceSnapshot Alliance => directory.Current;
    public DateTimeOffset Now => clock.GetUtcNow();

    public Move<T> Begin<T>(Event<Move<T>> on, T command, Actor actor) where T : class =>
        new(command, Machine.VerbOf(on), actor, Now) { Alliance = directory.Current };

    /// <summary>
    /// Raises the event and stores the outcome. <paramref name="also"/> names new referrals that this move creates,
    /// each with the event that starts it; <paramref name="answer"/> is asked for the answer to keep once all is decided.
    /// </summary>
    public async Task<Ran> Run<T>(
        Referral referral, byte[]? wrappedKey, Event<Move<T>> on, Move<T> move, NewReferral? isNew,
        IReadOnlyList<Birth> also, Func<Referral, Alongside> answer) where T : class
    {
        var units = new Dictionary<Guid, Unit> { [referral.Id] = new(referral, referral.Version, wrappedKey, isNew) };
        await driver.Raise(referral, on, move);
        if (move.Refusal is not null || move.Rows.Count == 0)
            return new(Saved.Done, move.Refusal ?? Refusals.NotInThisState, referral);
        units[referral.Id].Moves.Add(move);

        foreach (var birth in also)
        {
            units[birth.New.Referral.Id] = new(birth.New.Referral, 0, wrappedKey, birth.New);
            foreach (var start in birth.Starts)
                if (await Follow(start, move, units) is { } refused)
                    return new(Saved.Done, refused, referral);
        }
        foreach (var consequence in move.Consequences)
            if (await Follow(consequence, move, units) is { } refused)
                return new(Saved.Done, refused, referral);

        // the same order everywhere: two writers of the same family wait for each other instead of locking crosswise
        var changed = units.Values.Where(u => u.Moves.Count > 0)
            .OrderBy(u => u.New is not null).ThenBy(u => u.Referral.Id).ToArray();
        return new(await store.Save(changed, answer(referral)), null, referral);
    }

    private async Task<Problem?> Follow(Consequence consequence, Move cause, Dictionary<Guid, Unit> units)
    {
        if (!units.TryGetValue(consequence.ReferralId, out var unit))
        {
            if (await store.Find(consequence.ReferralId.ToString()) is not { } found)
                return null;
            unit = new(found.Referral, found.Referral.Version, found.WrappedKey, null);
            units[consequence.ReferralId] = unit;
        }
        var move = await consequence.Raise(driver, unit.Referral, cause);
        if (move.Refusal is not null || move.Rows.Count == 0)
            return consequence.Required ? move.Refusal ?? Refusals.NotInThisState : null;
        unit.Moves.Add(move);
        foreach (var next in move.Consequences)
            if (await Follow(next, move, units) is { } refused)
                return refused;
        return null;
    }
}

/// <summary>A new referral that a move brings into the world, and the moves its life starts with.</summary>
internal sealed record Birth(NewReferral New, params Consequence[] Starts);
