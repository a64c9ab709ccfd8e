using System.Collections.Concurrent;
using System.Diagnostics;
using Dapper;
using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Wards;
using ServiceDefaults.Storage;

namespace SchedulingService.Needs;

/// <summary>What an event changed: the need as it is now, and what is booked for it.</summary>
/// <param name="Missed">The booking that a no-show was recorded for.</param>
internal sealed record Heard(HeardEvent Event, Need Need, IReadOnlyList<Booking> Bookings, Guid? Missed);

/// <summary>
/// Takes events in. Each has its effect once, in one transaction with what it leads to; an older one never undoes a
/// newer one. Events that arrive together, each of another referral, share that transaction.
/// </summary>
internal sealed class News
{
    private readonly Changes _changes;
    private readonly SharedCommits<Taken> _commits;
    // what stands in the tables: of those that everybody hears of every day nothing is written
    private readonly ConcurrentDictionary<string, bool> _sandboxes = new();
    private readonly ConcurrentDictionary<string, bool> _sets = new();

    public News(Changes changes)
    {
        _changes = changes;
        // two groups of an institution would wait for each other in its lines; one takes along whoever came meanwhile
        _commits = new(Write, writers: 4, ofLane: 1);
    }

    private sealed class Taken(HeardEvent heard) : SharedCommits<Taken>.ICommand
    {
        public HeardEvent Event => heard;
        public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
        public IEnumerable<Guid> Touches => [heard.Data.Id];
        public string Lane => heard.Data.Receiver;
    }

    /// <summary>Returns when the event has had its effect, now or before.</summary>
    public Task Take(HeardEvent heard)
    {
        var taken = new Taken(heard);
        _commits.Add(taken);
        return taken.Done.Task;
    }

    private async Task Write(IReadOnlyList<Taken> group)
    {
        try
        {
            var heardOf = HeardOf(group.Select(t => t.Event.Data));
            var sets = group.SelectMany(t => t.Event.Data.Eligibility ?? []).Where(set => !_sets.ContainsKey(set)).Distinct().Order(StringComparer.Ordinal).ToArray();
            await using (var change = await _changes.Begin(CancellationToken.None))
            {
                await Meet(change, heardOf);
                await EligibilitySets.Meet(change, sets);
                await Reconcile.Run(change, await Learn(change, [.. group.Select(t => t.Event)]), Continue);
                await change.Commit();
            }
            foreach (var (institution, synthetic) in heardOf)
                _sandboxes[institution] = synthetic;
            foreach (var set in sets)
                _sets[set] = true;
            foreach (var taken in group)
                taken.Done.TrySetResult();
        }
        catch (Exception) when (group.Count > 1)
        {
            // one of them does not fit: it must not take the others along
            foreach (var taken in group)
                await Write([taken]);
        }
        catch (Exception e)
        {
            group[0].Done.TrySetException(e);
        }
    }

    // institutions that nobody heard of before, or only as a sandbox
    private (string Institution, bool Synthetic)[] HeardOf(IEnumerable<HeardFacts> heard) =>
        [.. heard.SelectMany(h => new[] { (Institution: h.Sender, h.Synthetic), (Institution: h.Receiver, h.Synthetic) })
            .GroupBy(h => h.Institution, (institution, all) => (Institution: institution, Synthetic: all.All(h => h.Synthetic)))
            .Where(h => !_sandboxes.TryGetValue(h.Institution, out var known) || known && !h.Synthetic)
            .OrderBy(h => h.Institution, StringComparer.Ordinal)];

    // first of all, and in the same order everywhere: who waits here for somebody holds nothing that he wants
    private static Task Meet(Change change, (string Institution, bool Synthetic)[] heardOf) => heardOf.Length == 0 ? Task.CompletedTask
        : change.Connection.ExecuteAsync("""
            insert into institution (code, synthetic)
            select code, synthetic from unnest(@codes, @synthetic) as heard (code, synthetic)
            on conflict (code) do update set synthetic = false where institution.synthetic and not excluded.synthetic
            """, new { codes = Array.ConvertAll(heardOf, h => h.Institution), synthetic = Array.ConvertAll(heardOf, h => h.Synthetic) });

    // Inbox, need and lock in one statement: a message heard before finds nothing to insert and returns no row. The
    // update changes nothing and locks the row. Booking rows are read after it, so nobody else can be writing them.
    private const string Hear = $"""
        with told as (
            select * from unnest(@Messages, @Ids, @Numbers, @Senders, @Sequences, @Legs, @States, @Receivers, @Departments, @Priorities, @Contracted,
                    @AskedSequences, @AskedLegs, @Resources, @From, @Until, @Eligibility, @SinceLegs, @Since,
                    @AgainSequences, @EmergencySequences, @EmergencyAt, @ArrivalSequences, @ArrivalAt, @Synthetic, @Tried)
                as told (message_id, referral_id, referral_no, sender, sequence, leg, state, receiver, department, priority, contracted,
                    asked_sequence, asked_leg, resource, window_from, window_until, eligibility, since_leg, since,
                    again_sequence, emergency_sequence, emergency_at, arrival_sequence, arrival_at, synthetic, tried)
        ), heard as (
            insert into inbox (message_id) select message_id from told on conflict do nothing returning message_id
        )
        insert into need (referral_id, referral_no, sender, sequence, leg, state, receiver, department, priority, contracted,
            asked_sequence, asked_leg, resource, window_from, window_until, eligibility, since_leg, since,
            again_sequence, emergency_sequence, emergency_at, arrival_sequence, arrival_at, synthetic, tried)
        select referral_id, referral_no, sender, sequence, leg, state, receiver, department, priority, contracted,
            asked_sequence, asked_leg, resource, window_from, window_until, eligibility::text[], since_leg, since,
            again_sequence, emergency_sequence, emergency_at, arrival_sequence, arrival_at, synthetic, tried::text[]
        from told join heard using (message_id)
        -- the same order everywhere: two that meet wait for each other instead of locking crosswise
        order by referral_id
        on conflict (referral_id) do update set referral_id = excluded.referral_id
        -- xmax is zero in a row that was inserted
        returning {Need.Columns}, xmax = 0 as is_new;

        select {Booking.Columns}
        from booking
        where referral_id = any (@Ids) and (state in ('Held', 'Booked') or state = 'Used' and bed_id is not null)
        """;

    private static async Task<IReadOnlyList<Heard>> Learn(Change change, IReadOnlyList<HeardEvent> events)
    {
        var told = events.ToDictionary(e => e.Data.Id);
        await using var rows = await change.Connection.QueryMultipleAsync(Hear, Parameters([.. events.Select(Need.Of)], [.. events.Select(e => e.Id)]));
        var known = rows.Read<Need, bool, (Need Need, bool IsNew)>((need, isNew) => (need, isNew), splitOn: "is_new").AsList();
        var bookings = (await rows.ReadAsync<Booking>()).ToLookup(b => b.ReferralId);
        var heard = known.Select(k => (k.IsNew, Need: k.Need.Hear(told[k.Need.ReferralId]))).ToArray();
        if (heard.Where(h => !h.IsNew).Select(h => h.Need).ToArray() is { Length: > 0 } older)
            await Remember(change, older);
        return [.. heard.Select(h => (h.Need, Event: told[h.Need.ReferralId])).Select(h => new Heard(h.Event, h.Need, [.. bookings[h.Need.ReferralId]],
            ReferralEvents.NameOf(h.Event.Type) == ReferralEvents.NoShow ? h.Event.Data.Booking?.Id : null))];
    }

    private static Task Remember(Change change, Need[] needs) =>
        change.Connection.ExecuteAsync("""
            update need set
                sequence = told.sequence, leg = told.leg, state = told.state, receiver = told.receiver, department = told.department,
                priority = told.priority, contracted = told.contracted, asked_sequence = told.asked_sequence, asked_leg = told.asked_leg,
                resource = told.resource, window_from = told.window_from, window_until = told.window_until, eligibility = told.eligibility::text[],
                since_leg = told.since_leg, since = told.since, again_sequence = told.again_sequence,
                emergency_sequence = told.emergency_sequence, emergency_at = told.emergency_at,
                arrival_sequence = told.arrival_sequence, arrival_at = told.arrival_at,
                synthetic = told.synthetic, tried = told.tried::text[]
            from unnest(@Ids, @Sequences, @Legs, @States, @Receivers, @Departments, @Priorities, @Contracted,
                    @AskedSequences, @AskedLegs, @Resources, @From, @Until, @Eligibility, @SinceLegs, @Since,
                    @AgainSequences, @EmergencySequences, @EmergencyAt, @ArrivalSequences, @ArrivalAt, @Synthetic, @Tried)
                as told (referral_id, sequence, leg, state, receiver, department, priority, contracted,
                    asked_sequence, asked_leg, resource, window_from, window_until, eligibility, since_leg, since,
                    again_sequence, emergency_sequence, emergency_at, arrival_sequence, arrival_at, synthetic, tried)
            where need.referral_id = told.referral_id
            """, Parameters(needs, []));

    private static object Parameters(Need[] needs, Guid[] messages)
    {
        return new
        {
        Messages = messages,
        Ids = Each(n => n.ReferralId), Numbers = Each(n => n.ReferralNo), Senders = Each(n => n.Sender),
        Sequences = Each(n => n.Sequence), Legs = Each(n => n.Leg), States = Each(n => n.State.ToString()), Receivers = Each(n => n.Receiver),
        Departments = Each(n => n.Department), Priorities = Each(n => n.Priority.ToString()), Contracted = Each(n => n.Contracted),
        AskedSequences = Each(n => n.AskedSequence), AskedLegs = Each(n => n.AskedLeg), Resources = Each(n => n.Resource),
        From = Each(n => n.WindowFrom?.ToUniversalTime()), Until = Each(n => n.WindowUntil?.ToUniversalTime()),
        Eligibility = Each(n => Arrays.Literal(n.Eligibility)), SinceLegs = Each(n => n.SinceLeg), Since = Each(n => n.Since?.ToUniversalTime()),
        AgainSequences = Each(n => n.AgainSequence), EmergencySequences = Each(n => n.EmergencySequence),
        EmergencyAt = Each(n => n.EmergencyAt?.ToUniversalTime()), ArrivalSequences = Each(n => n.ArrivalSequence),
        ArrivalAt = Each(n => n.ArrivalAt?.ToUniversalTime()), Synthetic = Each(n => n.Synthetic), Tried = Each(n => Arrays.Literal(n.Tried)),
        };

        T[] Each<T>(Func<Need, T> value) => Array.ConvertAll(needs, n => value(n));
    }

    // what is said here belongs to the trace of the request that caused it, also where nobody collects traces
    private static Activity Continue(HeardEvent heard)
    {
        var activity = new Activity("hear " + heard.Type);
        if (heard.TraceParent is { } parent)
            activity.SetParentId(parent);
        return activity.Start();
    }
}
