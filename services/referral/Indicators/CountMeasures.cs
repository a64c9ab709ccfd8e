using System.Data;
using Dapper;
using Npgsql;
using ServiceDefaults.Storage;
using static ReferralService.Indicators.Tally;

namespace ReferralService.Indicators;

/// <summary>
/// Counts the measures with SQL: all figures of one question from one snapshot of the tables, read once. The tables are
/// counted for each pair of institutions; the whole, and each member, is a sum of pairs.
/// </summary>
internal sealed class CountMeasures(NpgsqlDataSource database, IndicatorSettings settings)
{
    // a report reads on three connections: most of the pool is left to the moves
    private const int AtOnce = 1;

    private readonly SemaphoreSlim _places = new(AtOnce);

    /// <summary>The figures, and the moment up to which everything is in them.</summary>
    public async Task<(Counted Counted, DateTimeOffset AsOf)> Run(Question question, CancellationToken ct = default)
    {
        await _places.WaitAsync(ct);
        try
        {
            await using var connection = await database.OpenConnectionAsync(ct);
            // it holds the moment open for the others
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
            var (moment, countedAt) = await connection.QuerySingleAsync<(string, DateTime)>("select pg_export_snapshot(), counted_at from measure_progress", transaction: transaction);
            return (await Count(question, moment, ct), new(countedAt, TimeSpan.Zero));
        }
        finally
        {
            _places.Release();
        }
    }

    private async Task<Counted> Count(Question question, string moment, CancellationToken ct)
    {
        var parameters = Parameters(question, settings);
        var counting = At(moment, read => Pairs(read, Referrals, parameters, "up"), ct);
        var asking = At(moment, async read => (await Pairs(read, Legs, parameters, "legs"), (await read.QueryAsync<MissedOfPair>(Missed, parameters)).AsList()), ct);
        await Task.WhenAll(counting, asking);
        var (referrals, (legs, missed)) = (await counting, await asking);
        return new(
            [.. referrals.Concat(legs).SelectMany(pair => Keys(question, pair.One, pair.Other).Select(key => (key, pair))).GroupBy(of => of.key, of => of.pair)
                .OrderBy(of => of.Key, StringComparer.Ordinal).Select(of => Sum(of.Key, [.. of]))],
            [.. missed.SelectMany(late => Keys(question, late.One, late.Other).Select(key => (key, late))).GroupBy(of => (of.key, of.late.Timer, of.late.Level), of => of.late.Count)
                .OrderBy(of => of.Key.key, StringComparer.Ordinal).ThenBy(of => of.Key.Timer, StringComparer.Ordinal).ThenBy(of => of.Key.Level)
                .Select(of => new MissedDeadline(of.Key.key, of.Key.Timer, of.Key.Level, of.Sum()))]);
    }

    private static async Task<List<Pair>> Pairs(NpgsqlConnection read, string sql, object parameters, string firstCount) =>
        (await read.QueryAsync<Pair, Tally, Pair>(sql, (pair, tally) => pair with { Tally = tally }, parameters, splitOn: firstCount)).AsList();

    /// <summary>What was counted of one or two institutions of the question, and how many seconds each of it lasted.</summary>
    private sealed record Pair
    {
        public string? One { get; init; }
        public string? Other { get; init; }
        public Tally Tally { get; init; } = new();
        public long[] Turnaround { get; init; } = [];
        public long[] Acknowledging { get; init; } = [];
        public long[] Arriving { get; init; } = [];
        public long[] Accepting { get; init; } = [];
        public long[] Declining { get; init; } = [];
        public long[] Advising { get; init; } = [];
        public long[] Expiring { get; init; } = [];
    }

    private sealed record MissedOfPair(string? One, string? Other, string Timer, int Level, long Count);

    // what one institution sent to another counts once for the whole and once for each
    private static IEnumerable<string> Keys(Question question, string? one, string? other) =>
        question.ByMember ? new[] { "", one, other }.OfType<string>().Distinct() : [""];

    private static Tally Sum(string key, Pair[] pairs)
    {
        var (turnaround, acknowledging, arriving) = (Sorted(p => p.Turnaround), Sorted(p => p.Acknowledging), Sorted(p => p.Arriving));
        var (accepting, declining, advising, expiring) = (Sorted(p => p.Accepting), Sorted(p => p.Declining), Sorted(p => p.Advising), Sorted(p => p.Expiring));
        return pairs.Aggregate(new Tally(), (sum, pair) => sum + pair.Tally) with
        {
            Key = key,
            TurnaroundMedian = Percentile(turnaround, 0.5), TurnaroundP90 = Percentile(turnaround, 0.9),
            AcceptMedian = Percentile(accepting, 0.5), AcceptP90 = Percentile(accepting, 0.9),
            DeclineMedian = Percentile(declining, 0.5), DeclineP90 = Percentile(declining, 0.9),
            AdviseMedian = Percentile(advising, 0.5), AdviseP90 = Percentile(advising, 0.9),
            ExpireMedian = Percentile(expiring, 0.5),
            AcknowledgeMedian = Percentile(acknowledging, 0.5), AcknowledgeP90 = Percentile(acknowledging, 0.9),
            ArrivalMedian = Percentile(arriving, 0.5), ArrivalP90 = Percentile(arriving, 0.9),
        };

        long[] Sorted(Func<Pair, long[]> lasted)
        {
            long[] all = [.. pairs.SelectMany(lasted)];
            Array.Sort(all);
            return all;
        }
    }

    // beside the others, and of the same moment
    private async Task<T> At<T>(string moment, Func<NpgsqlConnection, Task<T>> read, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
        // its name is PostgreSQL's own, and this statement takes no parameters
        await connection.ExecuteAsync($"set transaction snapshot '{moment}'", transaction: transaction);
        await transaction.PlanForReport(ct);
        return await read(connection);
    }

    internal static object Parameters(Question q, IndicatorSettings settings) => new
    {
        institutions = q.Institutions.Select(i => i.Institution).ToArray(),
        sinces = q.Institutions.Select(i => i.Since).ToArray(),
        untils = q.Institutions.Select(i => i.Until ?? DateOnly.MaxValue).ToArray(),
        q.Sent, q.Received, q.From, q.To, settings.SuspectReasons, settings.LoopFrom,
    };

    // each institution once, with the days on which it belongs to the question
    private const string Scope = """
        with scope as (
            select institution, range_agg(daterange(since, until, '[]')) as days
            from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
            group by institution
        )
        """;

    /// <summary>Referrals of the question, each with the institutions of the question it is of; read in one pass.</summary>
    private const string Party = Scope + """
        , party as (
            select s.institution as one, r.institution as other, direction, kind, priority, retro, contracted, pooled, submitted_at, emergency_at, acknowledged_at, accepted_at,
                   scheduled_at, arrived_at, loop_from, return_accepted_at, rehab_eligible, returned, held_over, follow_ups, in_alliance, out_of_region,
                   no_indication, from_primary, recognised, repeated, expected, no_shows, waitlisted, rating, missed
            from measure m
            left join scope s on @Sent and s.institution = m.sender and m.submitted_on <@ s.days
            left join scope r on @Received and r.institution = m.receiver and m.submitted_on <@ r.days
            where m.submitted_on between @From and @To and not m.in_error and (s.institution is not null or r.institution is not null)
        )
        """;

    private const string Referrals = Party + """
        select p.one, p.other,
               array_agg(turnaround) filter (where turnaround is not null) as turnaround,
               array_agg(acknowledging) filter (where acknowledging is not null) as acknowledging,
               array_agg(arriving) filter (where arriving is not null) as arriving,
               count(*) filter (where direction = 'Up') as up,
               count(*) filter (where direction = 'Down') as down,
               count(turnaround) as turnarounds,
               coalesce(sum(turnaround), 0)::bigint as turnaround_seconds,
               count(*) filter (where rehab_eligible) as eligible,
               count(*) filter (where rehab_eligible and return_accepted_at <=
                   case coalesce(loop_from, @LoopFrom) when 'Accepted' then accepted_at else arrived_at end + interval '48 hours') as returned_within48_hours,
               count(*) filter (where rehab_eligible and returned) as returned,
               count(*) filter (where rehab_eligible and held_over) as held_over,
               count(*) filter (where direction = 'Down' and arrived_at is not null) as down_arrived,
               count(*) filter (where direction = 'Down' and arrived_at is not null and follow_ups > 0) as down_followed,
               count(*) filter (where in_alliance) as in_alliance,
               count(*) filter (where direction = 'Up' and out_of_region) as out_of_region,
               count(*) filter (where direction = 'Up' and no_indication) as no_indication,
               sum(recognised) as recognised_results,
               sum(repeated) as repeated_examinations,
               count(*) filter (where expected and priority <> 'Emergency') as expected,
               count(*) filter (where expected and priority <> 'Emergency' and no_shows > 0) as missed,
               count(*) filter (where to_book) as to_book,
               count(*) filter (where to_book and waitlisted) as waitlisted,
               count(*) filter (where direction = 'Up' and from_primary) as up_from_primary,
               count(rating) as rated,
               coalesce(sum(rating), 0) as rating_sum,
               count(*) filter (where rating >= 4) as rated_good,
               count(*) filter (where priority = 'Emergency') as emergencies,
               count(acknowledging) as acknowledged,
               count(arriving) as emergency_arrived,
               sum(cardinality(p.missed)) as missed_deadlines,
               count(*) filter (where cardinality(p.missed) > 0) as late_referrals,
               count(*) filter (where direction = 'Up' and scheduled_at is not null) as booked,
               count(*) filter (where direction = 'Up' and scheduled_at is not null and contracted) as booked_contracted,
               count(*) filter (where direction = 'Up' and scheduled_at is not null and pooled) as booked_pooled
        from party p
        cross join lateral (
            select case when scheduled_at is not null and priority <> 'Emergency' and not retro
                        then greatest(0, floor(extract(epoch from scheduled_at - submitted_at)))::bigint end as turnaround,
                   -- "greatest" passes over a null: nobody was acknowledged after no time at all
                   case when priority = 'Emergency' and not retro and acknowledged_at is not null
                        then greatest(0, floor(extract(epoch from acknowledged_at - emergency_at)))::bigint end as acknowledging,
                   case when priority = 'Emergency' and not retro and arrived_at is not null
                        then greatest(0, floor(extract(epoch from arrived_at - emergency_at)))::bigint end as arriving,
                   accepted_at is not null and kind not in ('DiagnosticReading', 'Advice') as to_book
        ) lasted
        group by p.one, p.other
        """;

    private const string Missed = Party + """
        select p.one, p.other, split_part(late, '/', 1) as timer, split_part(late, '/', 2)::int as level, count(*) as count
        from party p cross join unnest(p.missed) as late
        group by 1, 2, 3, 4
        """;

    /// <summary>Legs of the question that somebody had to answer: an emergency is not asked, what was typed in afterwards neither.</summary>
    private const string Legs = Scope + """
        , party as (
            select s.institution as one, r.institution as other, l.answer, l.reason, l.taken_back_at, l.taken_back_reason, l.silences, greatest(0, floor(extract(epoch from l.answered_at - l.opened_at)))::bigint as took
            from measure m
            join measure_leg l using (referral_id)
            left join scope s on @Sent and s.institution = m.sender and m.submitted_on <@ s.days
            left join scope r on @Received and r.institution = l.receiver and m.submitted_on <@ r.days
            where m.submitted_on between @From and @To and not m.in_error and m.priority <> 'Emergency' and not m.retro
                and (s.institution is not null or r.institution is not null)
        )
        select p.one, p.other,
               array_agg(took) filter (where answer = 'Accepted') as accepting,
               array_agg(took) filter (where answer = 'Declined') as declining,
               array_agg(took) filter (where answer = 'Advised') as advising,
               array_agg(took) filter (where answer = 'Expired') as expiring,
               count(*) as legs,
               count(*) filter (where answer = 'Accepted') as accepted,
               count(*) filter (where answer = 'Declined') as declined,
               count(*) filter (where answer = 'Advised') as advised,
               count(*) filter (where answer = 'Reported') as reported,
               count(*) filter (where answer = 'Expired') as expired,
               count(*) filter (where answer = 'Redirected') as redirected,
               count(*) filter (where answer = 'Withdrawn') as withdrawn,
               count(*) filter (where answer is null) as unanswered,
               count(taken_back_at) as taken_back,
               count(*) filter (where
        """ + Suspected + """
                   ) as suspected_refusals,
               count(*) filter (where silences > 0) as silent_legs
        from party p
        group by p.one, p.other
        """;

    /// <summary>推诿: refused without a reason that justifies it, never answered, or sent on because nobody answered.</summary>
    internal const string Suspected = """
         (answer = 'Declined' and reason = any(@SuspectReasons) or taken_back_reason = any(@SuspectReasons)
             or answer = 'Expired' or answer = 'Redirected' and reason = 'NO_ANSWER')
        """;
}
