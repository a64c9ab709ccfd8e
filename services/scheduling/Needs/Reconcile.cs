using Dapper;
using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Waiting;

namespace SchedulingService.Needs;

/// <summary>What becomes of a booking when news of its referral is heard.</summary>
internal enum Fate { Stays, IsUsed, IsMissed, IsDropped, IsReleased }

/// <summary>
/// Brings bookings and lines to what a referral needs now, whatever stood there before: so it does not matter which
/// event led here, nor whether one was missed.
/// </summary>
internal static class Reconcile
{
    /// <summary>The decision alone. <paramref name="missed"/> is the booking that a no-show was recorded for.</summary>
    public static Fate FateOf(Booking booking, Need need, Guid? missed)
    {
        if (need.IsOver)
            return Fate.IsReleased;
        if (booking.State == BookingState.Used)
            return Fate.Stays;
        // somebody is choosing: that ends by itself, unless there is nothing to choose any more
        if (booking.State == BookingState.Held)
            return booking.Leg == need.Leg && need.MayBook ? Fate.Stays : Fate.IsReleased;
        if (booking.Id == missed)
            return Fate.IsMissed;
        // the leg ended; or it was taken back to the receiver's desk
        if (booking.Leg != need.Leg
            || need.State is ReferralState.Submitted or ReferralState.InTriage or ReferralState.InformationRequested)
            return Fate.IsReleased;
        if (need.IsThere)
            return Fate.IsUsed;
        if (booking.HeardSequence < need.AgainSequence)
            return Fate.IsDropped;
        // an emergency comes now: a bed that was kept for it stays, an appointment in two weeks helps nobody
        if (booking.HeardSequence < need.EmergencySequence && booking.SlotId is not null && booking.StartsAt > need.Window.Until)
            return Fate.IsReleased;
        return Fate.Stays;
    }

    /// <summary>All that was heard together. <paramref name="trace"/> continues what caused an event while it is worked on.</summary>
    public static async Task Run(Change change, IReadOnlyList<Heard> heard, Func<HeardEvent, IDisposable> trace)
    {
        var plans = heard.Select(h => Plan.Of(h)).ToDictionary(p => p.Need.ReferralId);
        var joined = await JoinLines.Join(change, [.. plans.Values.Where(p => p.Asks).Select(p => p.Need)]);
        await JoinLines.Leave(change, [.. plans.Values.Where(p => !p.Asks).Select(p => p.Need.ReferralId)]);
        await Line.Pass(change, plans.Values.SelectMany(p => p.Freed.Concat(p.Lines)));
        foreach (var plan in plans.Values)
        {
            using var _ = trace(plan.Event);
            foreach (var (booking, fate) in plan.Fates)
                await Apply(change, plan.Need, booking, fate);
        }
        var served = new HashSet<Guid>();
        // what became free goes by the order of its line, in which those who ask may stand, too
        foreach (var plan in plans.Values)
        {
            using var _ = trace(plan.Event);
            foreach (var line in plan.Freed)
                served.UnionWith(await ServeLine.Serve(change, line));
        }
        await Serve(change, [.. joined.Select(j => plans[j.ReferralId])], served, trace);
        foreach (var plan in joined.Where(j => j.IsNew && !served.Contains(j.ReferralId)).Select(j => plans[j.ReferralId]))
        {
            using var _ = trace(plan.Event);
            await change.Say(SchedulingEvents.NoCapacity, plan.Need, new()
            {
                Leg = plan.Need.Leg, Institution = plan.Need.Receiver, Department = plan.Need.Department, Resource = plan.Need.Resource,
            });
        }
    }

    // in the order of the line, or the last place would go to whoever was written first: from the line that each prefers, then,
    // for whom it has nothing, from the next one
    private static async Task Serve(Change change, IReadOnlyList<Plan> asking, HashSet<Guid> served, Func<HeardEvent, IDisposable> trace)
    {
        for (var round = 0; asking.Where(p => p.Lines.Count > round && !served.Contains(p.Need.ReferralId)).ToArray() is { Length: > 0 } left; round++)
            served.UnionWith(await ServeLine.Serve(change,
                [.. left.Select(p => new ServeLine.Ask(p.Lines[round], p.Need.ReferralId, () => trace(p.Event)))]));
    }

    /// <summary>What shall become of a referral's bookings, and the lines that are freed or asked.</summary>
    private sealed record Plan(
        HeardEvent Event, Need Need, IReadOnlyList<(Booking Booking, Fate Fate)> Fates, bool Asks, IReadOnlyList<Line> Freed, IReadOnlyList<Line> Lines)
    {
        public static Plan Of(Heard heard)
        {
            var need = heard.Need;
            var fates = heard.Bookings.Select(b => (Booking: b, Fate: FateOf(b, need, heard.Missed))).ToArray();
            // what is only held does not end the waiting
            var asks = need.Wants && fates.All(f => f.Fate is not (Fate.Stays or Fate.IsUsed) || f.Booking.State == BookingState.Held);
            return new(heard.Event, need, fates, asks,
                [.. fates.Where(f => f.Fate is not (Fate.Stays or Fate.IsUsed)).Select(f => f.Booking.Line).Distinct()],
                asks ? [.. need.Lines] : []);
        }
    }

    private static async Task Apply(Change change, Need need, Booking booking, Fate fate)
    {
        switch (fate)
        {
            case Fate.IsUsed:
                await Use(change, booking);
                break;
            case Fate.IsMissed:
                await LetGo.Of(change, booking, BookingState.NoShow);
                break;
            case Fate.IsDropped:
                await LetGo.Of(change, booking, BookingState.Cancelled);
                break;
            case Fate.IsReleased:
                await LetGo.Of(change, booking, BookingState.Released);
                // nobody heard of what was only held
                if (booking.State != BookingState.Held)
                    await change.Say(SchedulingEvents.Released, need, booking.Facts);
                break;
            case Fate.Stays:
                break;
        }
    }

    /// <summary>The patient came: the code is burnt, and a bed is lain in from now on.</summary>
    private static Task Use(Change change, Booking booking) =>
        change.Connection.ExecuteAsync("""
            update booking set
                state = 'Used', version = version + 1,
                -- he may come before the agreed hour: nobody else has the bed, a stay before his has ended
                during = case when bed_id is not null then tstzrange(least(starts_at, @Now), null) end
            where id = @Id and state in ('Held', 'Booked')
            """, new { booking.Id, change.Now });
}
