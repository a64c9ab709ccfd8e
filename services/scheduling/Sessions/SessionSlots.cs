using Dapper;
using SchedulingService.Slots;
using SchedulingService.Timers;
using SchedulingService.Waiting;

namespace SchedulingService.Sessions;

/// <param name="Made">Slots that are new.</param>
/// <param name="Withdrawn">Slots that are no longer in the timetable; whoever held one was moved or waits.</param>
/// <param name="Overlapping">Slots left out because the clinician already has another one at that time.</param>
/// <param name="Served">How many who waited were booked at once.</param>
internal sealed record Brought(int Made, int Withdrawn, int Overlapping, int Served);

/// <summary>
/// Brings the slots of a session to what its timetable says, whatever changed: pattern, exceptions, holidays, its end,
/// or simply the time. Doing it twice changes nothing.
/// </summary>
internal sealed class SessionSlots(Changes changes, IConfiguration configuration)
{
    /// <summary>Slots are made this many days ahead.</summary>
    private int Ahead => configuration.GetValue("Sessions:DaysAhead", 28);

    public Round Round => new("sessions", configuration.GetValue("Sessions:LookEvery", TimeSpan.FromMinutes(10)), Look);

    private sealed record Standing(Guid Id, DateTimeOffset StartsAt, DateTimeOffset EndsAt, string? Clinician, int Capacity);

    private async Task<bool> Look(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        var session = await change.Connection.QueryFirstOrDefaultAsync<Session>($"""
            select {Session.Columns} from session
            where made_until < @until and (valid_until is null or made_until < valid_until)
            order by made_until
            limit 1
            for update skip locked
            """, new { until = Hours.Day(change.Now).AddDays(Ahead) });
        if (session is null)
            return false;
        await Bring(change, session, "CLINICIAN_ABSENT");
        await change.Commit();
        return true;
    }

    /// <summary>The session's row is locked. <paramref name="reason"/> is told to those whose slot goes.</summary>
    public async Task<Brought> Bring(Change change, Session session, string reason)
    {
        var (today, until) = (Hours.Day(change.Now), Hours.Day(change.Now).AddDays(Ahead));
        var line = Line.Of(session.Institution, session.Department, session.Resource);
        await Line.Pass(change, [line]);
        var planned = SessionPlan.Slots(session, await Exceptions(change, session, today), await Calendar(change, session, today), today, until)
            .Where(s => s.StartsAt > change.Now).ToHashSet();
        var standing = (await change.Connection.QueryAsync<Standing>("""
            select id, starts_at, ends_at, clinician, capacity
            from slot
            where session_id = @Id and withdrawn_at is null and starts_at > @Now
            """, new { session.Id, change.Now })).ToList();
        bool StaysAs(Standing slot) => slot.Clinician == session.Clinician && planned.Contains((slot.StartsAt, slot.EndsAt));

        var gone = standing.Where(s => !StaysAs(s)).Select(s => s.Id).ToArray();
        var kept = standing.Where(StaysAs).ToList();
        if (gone.Length > 0)
            await change.Connection.ExecuteAsync("""
                update slot set withdrawn_at = @Now, withdrawn_reason = @reason where id = any (@gone)
                """, new { gone, reason, change.Now });
        if (kept.Exists(s => s.Capacity != session.Capacity))
            // whoever has a place keeps it
            await change.Connection.ExecuteAsync("""
                update slot set capacity = greatest(@Capacity, taken - overbook, 1) where id = any (@ids) and capacity <> @Capacity
                """, new { session.Capacity, ids = kept.Select(s => s.Id).ToArray() });
        var fresh = planned.Except(kept.Select(s => (s.StartsAt, s.EndsAt))).OrderBy(s => s.StartsAt).ToList();
        var made = fresh.Count == 0 ? 0 : await Insert(change, session, line, fresh);
        await change.Connection.ExecuteAsync("update session set made_until = @until where id = @Id", new { session.Id, until });

        // those who had a place come before those who wait for one
        await MoveHolders.Of(change, line);
        var served = await ServeLine.Serve(change, line);
        return new(made, gone.Length, fresh.Count - made, served.Count);
    }

    private static Task<int> Insert(Change change, Session session, Line line, List<(DateTimeOffset StartsAt, DateTimeOffset EndsAt)> slots) =>
        change.Connection.ExecuteAsync("""
            insert into slot (id, institution, department, resource, line, clinician, starts_at, ends_at, capacity, created_at,
                session_id, place, reserved_for, opens_at)
            select gen_random_uuid(), @Institution, @Department, @Resource, @line, @Clinician, starts_at, ends_at, @Capacity, @Now,
                @Id, @Place, @ReservedFor, starts_at - make_interval(hours => @ReleaseHours)
            from unnest(@starts, @ends) as new (starts_at, ends_at)
            -- a clinician who sits elsewhere at that time, or another instance that was here first
            on conflict do nothing
            """, new
            {
                session.Id, session.Institution, session.Department, session.Resource, session.Clinician, session.Capacity,
                session.Place, session.ReservedFor, session.ReleaseHours, line = line.Name, change.Now,
                starts = slots.Select(s => s.StartsAt.UtcDateTime).ToArray(), ends = slots.Select(s => s.EndsAt.UtcDateTime).ToArray(),
            });

    private static async Task<Dictionary<DateOnly, SessionException>> Exceptions(Change change, Session session, DateOnly from) =>
        (await change.Connection.QueryAsync<SessionException>("""
            select on_day, from_minute, until_minute from session_exception where session_id = @Id and on_day >= @from
            """, new { session.Id, from })).ToDictionary(e => e.OnDay);

    private static async Task<Dictionary<DateOnly, CalendarDay>> Calendar(Change change, Session session, DateOnly from) =>
        (await change.Connection.QueryAsync<CalendarDay>("""
            select distinct on (on_day) on_day, works, like_weekday
            from calendar_day
            where institution in (@Institution, '') and on_day >= @from
            -- an institution's own line before that of everybody
            order by on_day, institution desc
            """, new { session.Institution, from })).ToDictionary(d => d.OnDay);
}
