using System.Data;
using Dapper;
using Npgsql;
using ServiceDefaults.Storage;

namespace ReferralService.Indicators;

/// <summary>Counts the measures with SQL: all figures of one question from one snapshot of the tables.</summary>
internal sealed class CountMeasures(NpgsqlDataSource database, IndicatorSettings settings)
{
    // a report reads on five connections at most: most of the pool is left to the moves
    private const int AtOnce = 2;

    private readonly SemaphoreSlim _places = new(AtOnce);

    /// <summary>The figures, and the moment up to which everything is in them.</summary>
    public async Task<(Counted Counted, DateTimeOffset AsOf)> Run(Question question, CancellationToken ct = default)
    {
        var (counted, asOf) = await Run([question], ct);
        return (counted[0], asOf);
    }

    /// <summary>The same of several questions about one moment, at most two.</summary>
    public async Task<(IReadOnlyList<Counted> Counted, DateTimeOffset AsOf)> Run(IReadOnlyList<Question> questions, CancellationToken ct = default)
    {
        await _places.WaitAsync(ct);
        try
        {
            await using var connection = await database.OpenConnectionAsync(ct);
            // it holds the moment open for the others
            await using var transaction = await connection.BeginTransactionAsync(IsolationLevel.RepeatableRead, ct);
            var (moment, countedAt) = await connection.QuerySingleAsync<(string, DateTime)>("select pg_export_snapshot(), counted_at from measure_progress", transaction: transaction);
            return (await Task.WhenAll(questions.Select(question => Count(question, moment, ct))), new(countedAt, TimeSpan.Zero));
        }
        finally
        {
            _places.Release();
        }
    }

    private async Task<Counted> Count(Question question, string moment, CancellationToken ct)
    {
        var parameters = Parameters(question, settings);
        var counting = At(moment, async read => (await read.QueryAsync<Tally>(Referrals, parameters)).AsList(), ct);
        var asking = At(moment, async read => (
            (await read.QueryAsync<Tally>(Legs, parameters)).ToDictionary(t => t.Key),
            (await read.QueryAsync<MissedDeadline>(Missed, parameters)).AsList()), ct);
        await Task.WhenAll(counting, asking);
        var (referrals, (legs, missed)) = ((await counting).ToDictionary(t => t.Key), await asking);
        // an institution may have had a leg of a referral that went on to another
        var keys = referrals.Keys.Union(legs.Keys).Order(StringComparer.Ordinal);
        return new([.. keys.Select(key => With(referrals.GetValueOrDefault(key) ?? new Tally { Key = key }, legs.GetValueOrDefault(key)))], missed);
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

    private static Tally With(Tally t, Tally? legs) => legs is null ? t : t with
    {
        Legs = legs.Legs, Accepted = legs.Accepted, Declined = legs.Declined, Advised = legs.Advised, Reported = legs.Reported,
        Expired = legs.Expired, Redirected = legs.Redirected, Withdrawn = legs.Withdrawn, Unanswered = legs.Unanswered,
        TakenBack = legs.TakenBack, AcceptMedian = legs.AcceptMedian, AcceptP90 = legs.AcceptP90, DeclineMedian = legs.DeclineMedian,
        DeclineP90 = legs.DeclineP90, AdviseMedian = legs.AdviseMedian, AdviseP90 = legs.AdviseP90, ExpireMedian = legs.ExpireMedian,
        SuspectedRefusals = legs.SuspectedRefusals, SilentLegs = legs.SilentLegs,
    };

    internal static object Parameters(Question q, IndicatorSettings settings) => new
    {
        institutions = q.Institutions.Select(i => i.Institution).ToArray(),
        sinces = q.Institutions.Select(i => i.Since).ToArray(),
        untils = q.Institutions.Select(i => i.Until ?? DateOnly.MaxValue).ToArray(),
        q.Sent, q.Received, q.From, q.To, q.ByMember, settings.SuspectReasons, settings.LoopFrom,
    };

    // each institution once, with the days on which it belongs to the question
    private const string Scope = """
        with scope as (
            select institution, range_agg(daterange(since, until, '[]')) as days
            from unnest(@institutions, @sinces, @untils) as s (institution, since, until)
            group by institution
        )
        """;

    /// <summary>Referrals of the question, once for each of its institutions or once for all of them; read in one pass.</summary>
    internal const string Party = Scope + """
        , party as (
            select of.key, direction, kind, priority, retro, contracted, pooled, submitted_at, emergency_at, acknowledged_at, accepted_at,
                   scheduled_at, arrived_at, loop_from, return_accepted_at, rehab_eligible, returned, held_over, follow_ups, in_alliance, out_of_region,
                   no_indication, from_primary, recognised, repeated, expected, no_shows, waitlisted, rating, missed
            from measure m
            left join scope s on @Sent and s.institution = m.sender and m.submitted_on <@ s.days
            left join scope r on @Received and r.institution = m.receiver and m.submitted_on <@ r.days
            cross join lateral unnest(case when @ByMember then array_remove(array[s.institution, r.institution], null) else array[''] end) as of (key)
            where m.submitted_on between @From and @To and not m.in_error and (s.institution is not null or r.institution is not null)
        )
        """;

    private const string Referrals = Party + """
        select p.key,
               count(*) filter (where direction = 'Up') as up,
               count(*) filter (where direction = 'Down') as down,
               count(turnaround) as turnarounds,
               coalesce(sum(turnaround), 0)::bigint as turnaround_seconds,
               percentile_disc(0.5) within group (order by turnaround) as turnaround_median,
               percentile_disc(0.9) within group (order by turnaround) as turnaround_p90,
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
               percentile_disc(0.5) within group (order by acknowledging) as acknowledge_median,
               percentile_disc(0.9) within group (order by acknowledging) as acknowledge_p90,
               count(arriving) as emergency_arrived,
               percentile_disc(0.5) within group (order by arriving) as arrival_median,
               percentile_disc(0.9) within group (order by arriving) as arrival_p90,
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
        group by p.key
        """;

    private const string Missed = Party + """
        select p.key, split_part(one, '/', 1) as timer, split_part(one, '/', 2)::int as level, count(*) as count
        from party p cross join unnest(p.missed) as one
        group by 1, 2, 3 order by 1, 2, 3
        """;

    /// <summary>Legs of the question that somebody had to answer: an emergency is not asked, what was typed in afterwards neither.</summary>
    private const string Legs = Scope + """
        , party as (
            select of.key, l.answer, l.reason, l.taken_back_at, l.taken_back_reason, l.silences, greatest(0, floor(extract(epoch from l.answered_at - l.opened_at)))::bigint as took
            from measure m
            join measure_leg l using (referral_id)
            left join scope s on @Sent and s.institution = m.sender and m.submitted_on <@ s.days
            left join scope r on @Received and r.institution = l.receiver and m.submitted_on <@ r.days
            cross join lateral unnest(case
                when not @ByMember then array['']
                when s.institution = r.institution then array[s.institution]
                else array_remove(array[s.institution, r.institution], null) end) as of (key)
            where m.submitted_on between @From and @To and not m.in_error and m.priority <> 'Emergency' and not m.retro
                and (s.institution is not null or r.institution is not null)
        )
        select p.key,
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
               percentile_disc(0.5) within group (order by took) filter (where answer = 'Accepted') as accept_median,
               percentile_disc(0.9) within group (order by took) filter (where answer = 'Accepted') as accept_p90,
               percentile_disc(0.5) within group (order by took) filter (where answer = 'Declined') as decline_median,
               percentile_disc(0.9) within group (order by took) filter (where answer = 'Declined') as decline_p90,
               percentile_disc(0.5) within group (order by took) filter (where answer = 'Advised') as advise_median,
               percentile_disc(0.9) within group (order by took) filter (where answer = 'Advised') as advise_p90,
               percentile_disc(0.5) within group (order by took) filter (where answer = 'Expired') as expire_median,
               count(*) filter (where
        """ + Suspected + """
                   ) as suspected_refusals,
               count(*) filter (where silences > 0) as silent_legs
        from party p
        group by p.key
        """;

    /// <summary>推诿: refused without a reason that justifies it, never answered, or sent on because nobody answered.</summary>
    internal const string Suspected = """
         (answer = 'Declined' and reason = any(@SuspectReasons) or taken_back_reason = any(@SuspectReasons)
             or answer = 'Expired' or answer = 'Redirected' and reason = 'NO_ANSWER')
        """;
}
