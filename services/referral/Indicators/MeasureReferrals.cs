using Dapper;
using Npgsql;
using ReferralService.Accountability;

namespace ReferralService.Indicators;

/// <summary>
/// Keeps the tables <c>measure</c> and <c>measure_leg</c>: after each pass they say what the history said when the
/// pass began, whoever wrote it and however late it committed. A referral that moved is counted anew as a whole, so
/// a pass that dies half-way, or runs twice, changes nothing.
/// </summary>
internal sealed class MeasureReferrals(NpgsqlDataSource database, TimeProvider clock, ILogger<MeasureReferrals> log) : BackgroundService
{
    /// <summary>Pause between two passes: figures are older than this only while the database is away.</summary>
    public static readonly TimeSpan Every = TimeSpan.FromSeconds(2);
    private const int BatchSize = 2000;
    private const long Lock = 0x5EFE_44A4;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await Pass(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("The indicators wait: {Fault} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
            }
        }
    }

    /// <summary>Counts what committed since the last pass; null when another instance is at it.</summary>
    public async Task<int?> Pass(CancellationToken ct = default)
    {
        var began = clock.GetUtcNow();
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (!await connection.ExecuteScalarAsync<bool>("select pg_try_advisory_xact_lock(@Lock)", new { Lock }, transaction))
            return null;
        // every transaction below @to is over: whoever commits later has a higher number and is met by the next pass
        var (from, to, end) = await connection.QuerySingleAsync<(long, long, long)>("""
            select counted_to, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
            from measure_progress
            """, transaction: transaction);
        // a database that was restored elsewhere counts its transactions anew: so do we
        var anew = from == 0 || from > end;
        var changed = (await connection.QueryAsync<Guid>(anew
            ? "select id from referral where submitted_at is not null order by id"
            : "select distinct referral_id from history where tx >= @from and sequence is not null", new { from }, transaction)).AsList();
        foreach (var ids in changed.Chunk(BatchSize))
            await CountAnew(ids, ct);
        foreach (var ids in changed.Chunk(BatchSize))
            await DownLedger.Enter(connection, transaction, ids, began);
        await connection.ExecuteAsync("update measure_progress set counted_to = @to, counted_at = @began", new { to, began }, transaction);
        await transaction.CommitAsync(ct);
        return changed.Count;
    }

    private async Task CountAnew(Guid[] ids, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // thousands of rows meet thousands: found one by one, as the plans of a move would, that takes a millisecond each
        await connection.ExecuteAsync("set local plan_cache_mode = force_custom_plan; set local enable_hashjoin = on", transaction: transaction);
        await connection.ExecuteAsync(Count, new { ids }, transaction, commandTimeout: 120);
        await transaction.CommitAsync(ct);
    }

    private const string Count = """
        with told as materialized (
            select h.referral_id, h.sequence, h.leg, h.event, h.at, h.reason, h.subject,
                   case when h.role = 'Machine' then coalesce(h.on_behalf_of, h.subject) else h.subject end as actor,
                   h.detail->>'timer' as timer, h.detail->>'level' as level, h.detail->>'clinician' as clinician,
                   coalesce((h.detail->>'recognised')::boolean, false) as recognised,
                   coalesce((h.detail->>'repeated')::boolean, false) as repeated,
                   coalesce((h.detail->>'fromPool')::boolean, false) as pooled,
                   coalesce(jsonb_exists(h.detail, 'unreached'), false) as unreached,
                   h.detail->>'loopFrom' as loop_from
            from history h
            where h.referral_id = any(@ids) and h.sequence is not null
        ),
        summed as (
            select referral_id,
                   max(sequence) as sequence,
                   min(at) filter (where event = 'submitted') as submitted_at,
                   min(at) filter (where event = 'made-emergency') as made_emergency_at,
                   min(at) filter (where event = 'accepted') as accepted_at,
                   min(at) filter (where event = 'scheduled') as scheduled_at,
                   min(at) filter (where event = 'acknowledged') as acknowledged_at,
                   min(at) filter (where event = 'arrived') as arrived_at,
                   min(at) filter (where event = 'treated') as treated_at,
                   min(loop_from) filter (where event = 'treated') as loop_from,
                   min(at) filter (where event = 'return-initiated') as return_initiated_at,
                   min(at) filter (where event = 'return-accepted') as return_accepted_at,
                   bool_or(event = 'marked-in-error' or event = 'closed' and reason = 'ENTERED_IN_ERROR') as in_error,
                   bool_or(event in ('scheduled', 'in-transit')) as expected,
                   count(*) filter (where event = 'no-show') as no_shows,
                   bool_or(event = 'waitlisted') as waitlisted,
                   bool_or(event in ('scheduled', 'rescheduled') and pooled) as pooled,
                   count(*) filter (where event = 'follow-up-recorded' and not unreached) as follow_ups,
                   count(*) filter (where event = 'attachment-added' and recognised) as recognised,
                   count(*) filter (where event = 'attachment-added' and repeated) as repeated,
                   bool_or(event in ('deadline-missed', 'escalated') and timer = 'Return') as held_over,
                   coalesce(array_agg(timer || '/' || level order by sequence)
                       -- that nobody was reached is escalated before a deadline passes
                       filter (where event in ('deadline-missed', 'escalated', 'follow-up-overdue') and timer is not null and not unreached), '{}') as missed
            from told group by referral_id
        ),
        counted as (
            insert into measure (
                referral_id, sequence, referral_no, episode_id, direction, kind, priority, sender, receiver, submitted_at,
                submitted_on, in_error, retro, contracted, no_indication, in_alliance, out_of_region, from_primary,
                emergency_at, accepted_at, scheduled_at, acknowledged_at, arrived_at, treated_at, return_initiated_at,
                return_accepted_at, ended_at, rehab_eligible, returned, not_returned_reason, held_over, expected, no_shows,
                waitlisted, follow_ups, rating, recognised, repeated, missed, pooled, loop_from)
            select s.referral_id, s.sequence, r.referral_no, r.episode_id, r.direction, r.kind, r.priority, r.sender, r.receiver, s.submitted_at,
                   day.it, s.in_error, 'RETRO_ENTRY' = any(r.flags), r.contracted,
                   r.flags && array['NO_INDICATION', 'IN_CATALOGUE_NO_INDICATION'],
                   bond.stands,
                   -- as the flag OUT_OF_REGION: it leaves the region and the alliance (外转)
                   coalesce(f.region <> t.region, false) and not bond.stands,
                   coalesce(f.level in ('VillageClinic', 'TownshipHealthCentre', 'CommunityHealthCentre'), false),
                   case when r.priority = 'Emergency' then coalesce(s.made_emergency_at, s.submitted_at) end,
                   s.accepted_at, s.scheduled_at, coalesce(s.acknowledged_at, s.arrived_at), s.arrived_at, s.treated_at,
                   s.return_initiated_at, s.return_accepted_at, r.ended_at,
                   s.treated_at is not null and coalesce(r.rehab_eligible, false),
                   coalesce(r.outcome = 'Returned', false), case when r.outcome = 'NotReturned' then r.reason end,
                   s.held_over, s.expected, s.no_shows, s.waitlisted, s.follow_ups, r.rating, s.recognised, s.repeated, s.missed, s.pooled, s.loop_from
            from summed s
            join referral r on r.id = s.referral_id
            cross join lateral (select (s.submitted_at at time zone 'Asia/Shanghai')::date as it) day
            cross join lateral (
                select exists (select from membership a join membership b on b.alliance = a.alliance
                               where a.institution = r.sender and day.it between a.since and coalesce(a.until, 'infinity')
                                 and b.institution = r.receiver and day.it between b.since and coalesce(b.until, 'infinity')) as stands) bond
            left join institution f on f.code = r.sender
            left join institution t on t.code = r.receiver
            where s.submitted_at is not null
            on conflict (referral_id) do update set (
                    sequence, priority, receiver, in_error, in_alliance, out_of_region, emergency_at, accepted_at, scheduled_at,
                    acknowledged_at, arrived_at, treated_at, return_initiated_at, return_accepted_at, ended_at, rehab_eligible,
                    returned, not_returned_reason, held_over, expected, no_shows, waitlisted, follow_ups, rating, recognised,
                    repeated, missed, pooled, loop_from)
                = (
                    excluded.sequence, excluded.priority, excluded.receiver, excluded.in_error, excluded.in_alliance,
                    excluded.out_of_region, excluded.emergency_at, excluded.accepted_at, excluded.scheduled_at,
                    excluded.acknowledged_at, excluded.arrived_at, excluded.treated_at, excluded.return_initiated_at,
                    excluded.return_accepted_at, excluded.ended_at, excluded.rehab_eligible, excluded.returned,
                    excluded.not_returned_reason, excluded.held_over, excluded.expected, excluded.no_shows, excluded.waitlisted,
                    excluded.follow_ups, excluded.rating, excluded.recognised, excluded.repeated, excluded.missed, excluded.pooled,
                    excluded.loop_from)
            returning referral_id
        ),
        opened as (
            select referral_id, leg, at, reason from told where event in ('submitted', 'redirected')
        ),
        answered as (
            select distinct on (referral_id, leg) referral_id, leg, event, at, actor, reason
            from told
            where event in ('accepted', 'acknowledged', 'arrived', 'declined', 'advised', 'converted', 'reported', 'expired', 'cancelled', 'closed')
            order by referral_id, leg, sequence
        ),
        beside as (
            select referral_id, leg,
                   min(at) filter (where event = 'declined') as declined_at,
                   min(reason) filter (where event = 'declined') as declined_reason,
                   min(actor) filter (where event = 'declined') as declined_by,
                   (array_agg(coalesce(clinician, subject) order by sequence desc) filter (where event in ('triage-started', 'assigned')))[1] as holder,
                   count(*) filter (where event in ('deadline-missed', 'escalated') and timer in ('Triage', 'DownAcknowledge', 'GreenChannel')) as silences
            from told group by referral_id, leg
        )
        insert into measure_leg (referral_id, leg, receiver, opened_at, answer, answered_at, reason, clinician, taken_back_at, taken_back_reason, silences)
        select o.referral_id, o.leg, r.tried[o.leg], o.at,
               case when a.event in ('accepted', 'acknowledged', 'arrived') then 'Accepted'
                    when a.event = 'declined' then 'Declined'
                    when a.event in ('advised', 'converted') then 'Advised'
                    when a.event = 'reported' then 'Reported'
                    when a.event = 'expired' then 'Expired'
                    when a.event in ('cancelled', 'closed') then 'Withdrawn'
                    when n.referral_id is not null then 'Redirected' end,
               coalesce(a.at, n.at), coalesce(a.reason, case when a.event is null then n.reason end),
               coalesce(b.declined_by, b.holder),
               case when a.event in ('accepted', 'acknowledged', 'arrived') then b.declined_at end,
               case when a.event in ('accepted', 'acknowledged', 'arrived') then b.declined_reason end,
               coalesce(b.silences, 0)
        from counted c
        join opened o on o.referral_id = c.referral_id
        join referral r on r.id = o.referral_id
        left join answered a on a.referral_id = o.referral_id and a.leg = o.leg
        left join opened n on n.referral_id = o.referral_id and n.leg = o.leg + 1
        left join beside b on b.referral_id = o.referral_id and b.leg = o.leg
        on conflict (referral_id, leg) do update set (answer, answered_at, reason, clinician, taken_back_at, taken_back_reason, silences)
            = (excluded.answer, excluded.answered_at, excluded.reason, excluded.clinician, excluded.taken_back_at,
               excluded.taken_back_reason, excluded.silences)
        """;
}
