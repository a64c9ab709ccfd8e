using Dapper;
using Npgsql;
using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Needs;
using SchedulingService.Slots;

namespace SchedulingService.Waiting;

/// <summary>Gives free places to those who stand in line: priority, then contract, then time.</summary>
internal static class ServeLine
{
    private const string Whose = $"w.institution = @Institution and @line = any (w.lines) and {Need.IsWanting}";
    // a statement of its own: one text for both would read the whole line to find a single referral in it
    private const string HisAlone = Whose + " and w.referral_id = @only";

    /// <summary>Whether a slot <c>s</c> of his line is one that he who waits as <c>w</c> with the need <c>n</c> would be given.</summary>
    public const string SlotFits = $"""
        {Fitting.SlotHasRoom} and {Fitting.SlotIsFor}
                  -- both ends bound the index: whose window holds nothing free costs one look, however much is free elsewhere
                  and s.starts_at >= greatest(w.earliest, @Now)
                  and s.starts_at <= case when w.latest < @Now then 'infinity'::timestamptz else w.latest end
                  -- what this referral gave back or missed is not pressed on it again
                  and not exists (select from booking b where b.referral_id = w.referral_id and b.slot_id = s.id)
        """;

    /// <summary>The same of a bed <c>b</c> in the ward <c>wd</c>.</summary>
    public const string BedFits = $"""
        wd.institution = w.institution and b.withdrawn_at is null
                  and {Fitting.WardSuits}
                  and not exists (select from booking k
                                  where k.bed_id = b.id and k.during && tstzrange(greatest(w.earliest, @Now), null))
        """;

    // One statement: whose turn it is, the place that fits him first, and he has it.
    // Whoever is being changed at this very moment (skip locked) is passed over: that change asks for itself, or, where
    // it refuses or only holds a place, ServePassedOver does.
    // Who was changed after the statement began is judged again as he is now: that takes both rows, for he may have left
    // the line or stand in another one. First the need, which whoever writes in the line has, but AgeWaiting, which waits
    // for nobody and is waited for: passed over, he would be served by no one.
    // Who waited past his window is served by the first place at all.
    private const string ForASlot = $"""
        with turn as (
            select n, w.institution, place.*, null::uuid as bed_id, null::tstzrange as during
            from waiting w
            join need n using (referral_id)
            cross join lateral (
                select s.id as slot_id, s.department, s.resource, s.clinician, s.starts_at, s.ends_at, {Fitting.PoolWeek} as pool_week
                from slot s
                where s.line = @line and {SlotFits}
                order by s.starts_at, s.id
                limit 1
            ) place
            where {Whose}
            order by w.rank, w.since, w.referral_id
            limit 1
            for update of n skip locked for update of w
        )
        """;

    private const string ForABed = $"""
        with turn as (
            select n, w.institution, place.*, null::uuid as slot_id, null as clinician, null::date as pool_week,
                   place.starts_at + @BedIsKept as ends_at, tstzrange(place.starts_at, null) as during
            from waiting w
            join need n using (referral_id)
            cross join lateral (
                select b.id as bed_id, wd.department, {Fitting.BedResource} as resource,
                       greatest(w.earliest, @Now) as starts_at
                from ward wd
                join bed b on b.ward_id = wd.id
                where {BedFits}
                -- a joint ward for whom it was made, then the department's own
                order by wd.eligibility is null, wd.department is distinct from n.department, wd.name, b.label
                limit 1
            ) place
            where {Whose}
            order by w.rank, w.since, w.referral_id
            limit 1
            for update of n skip locked for update of w
        )
        """;

    private const string TakeIt = $"""
        , gone as (
            delete from waiting using turn where waiting.referral_id = (turn.n).referral_id
        ), counted as (
            update need set attempt = need.attempt + 1 from turn where need.referral_id = (turn.n).referral_id
        ), taken as (
            insert into booking (id, referral_id, leg, institution, department, resource, clinician, slot_id, bed_id,
                starts_at, ends_at, during, state, heard_sequence, code, code_lookup, pool_week, created_at)
            select @id, (n).referral_id, (n).leg, institution, department, resource, clinician, slot_id, bed_id,
                starts_at, ends_at, during, 'Booked', (n).sequence, @sealedCode, @lookup, pool_week, @Now
            from turn
            returning {Booking.Columns}
        )
        -- the need as it was locked: the statement began before that
        select need.*, taken.* from turn, taken, lateral (select {Need.Columns} from (select (turn.n).*) n) need
        """;

    /// <summary>One who asks for a place of a line, or, without a referral, whoever's turn it is there.</summary>
    /// <param name="Trace">Continues what caused the event while it is said.</param>
    internal readonly record struct Ask(Line Line, Guid? Referral = null, Func<IDisposable>? Trace = null);

    /// <summary>Books until no free place of the line fits anybody in it; returns who was served. The line was passed.</summary>
    public static async Task<IReadOnlyList<Guid>> Serve(Change change, Line line)
    {
        var served = new List<Guid>();
        while (await Serve(change, [new Ask(line)]) is [var referral])
            served.Add(referral);
        return served;
    }

    /// <summary>Books once for each of them, at least one, in this order and in one round trip; returns who was served. The lines were passed.</summary>
    public static async Task<IReadOnlyList<Guid>> Serve(Change change, IReadOnlyList<Ask> asking)
    {
        await using var batch = new NpgsqlBatch(change.Connection, change.Transaction);
        var offers = asking.Select(ask => (Ask: ask, Id: Guid.NewGuid(), Code: AppointmentCodes.New())).ToArray();
        foreach (var (ask, id, code) in offers)
            batch.BatchCommands.Add(Command(change, ask, id, code));
        await using var reader = await batch.ExecuteReaderAsync();
        var served = new List<Guid>();
        foreach (var (ask, id, code) in offers)
        {
            if (await reader.ReadAsync())
            {
                var ofBooking = reader.GetOrdinal("id");
                var need = reader.GetRowParser<Need>(length: ofBooking)(reader);
                var booking = reader.GetRowParser<Booking>(startIndex: ofBooking)(reader);
                using var _ = ask.Trace?.Invoke();
                change.Say(SchedulingEvents.Booked, need, need.Attempt + 1, booking.HeldFacts(change.Codes.Hash(id, code)));
                served.Add(need.ReferralId);
            }
            await reader.NextResultAsync();
        }
        return served;
    }

    private static NpgsqlBatchCommand Command(Change change, Ask ask, Guid id, string code) => new(Statement(ask.Line.IsForBeds, ask.Referral is not null))
    {
        Parameters =
        {
            new NpgsqlParameter<string>("line", ask.Line.Name),
            new NpgsqlParameter<string>("Institution", ask.Line.Institution),
            new NpgsqlParameter<Guid>("only", ask.Referral ?? default),
            new NpgsqlParameter<DateTime>("Now", change.Now.UtcDateTime),
            new NpgsqlParameter<TimeSpan>("BedIsKept", TakePlace.BedIsKept),
            new NpgsqlParameter<Guid>("id", id),
            new NpgsqlParameter<byte[]>("sealedCode", change.Codes.Seal(id, code)),
            new NpgsqlParameter<string>("lookup", change.Codes.Lookup(ask.Line.Institution, code)),
        },
    };

    private static string Statement(bool beds, bool alone) => (beds, alone) switch
    {
        (false, false) => ForASlot + TakeIt,
        (false, true) => AloneForASlot,
        (true, false) => ForABed + TakeIt,
        (true, true) => AloneForABed,
    };

    private static readonly string AloneForASlot = (ForASlot + TakeIt).Replace(Whose, HisAlone, StringComparison.Ordinal);
    private static readonly string AloneForABed = (ForABed + TakeIt).Replace(Whose, HisAlone, StringComparison.Ordinal);
}
