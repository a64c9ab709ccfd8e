using FluentAssertions;
using TestKit;

namespace Deployed;

/// <summary>
/// The final read after a fault: what the three databases say about every referral that moved since the alliance was
/// healed, and whether they agree. Whatever was killed, it must hold.
/// </summary>
public static class FinalRead
{
    /// <summary>Waits until everything that was said has been heard, then looks for anything lost, doubled or out of order.</summary>
    public static async Task Holds(Alliance alliance, int seconds = 30)
    {
        await Drains(alliance, seconds);
        (await Breaches(alliance)).Should().BeEmpty();
    }

    /// <summary>Waits until no outbox holds anything and every event has reached the services that hear it.</summary>
    public static async Task Drains(Alliance alliance, int seconds)
    {
        var left = "";
        try
        {
            await Eventually.Is(async () => (left = await Waiting(alliance)) == "", "outboxes and queues drain", seconds);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}: {left}", e);
        }
    }

    private static async Task<string> Waiting(Alliance alliance)
    {
        var left = new List<string>();
        foreach (var service in alliance.Services)
            if (await Count(service, "select count(*) from outbox", alliance) is > 0 and var rows)
                left.Add($"{rows} rows in the outbox of {service.Name}");
        var (told, logged) = (await Count(alliance.Referral, "select count(*) from history where sequence is not null and at >= @Began", alliance),
            await Count(alliance.Notification, "select count(*) from event where type like 'referral.%' and occurred_at >= @Began", alliance));
        if (told > logged)
            left.Add($"{told - logged} of {told} events are not in the log");
        var moved = await alliance.Referral.Database.Query<(Guid Id, long Sequence)>("""
            select referral_id, max(sequence) from history
            where event in ('accepted', 'arrived', 'completed', 'cancelled') and sequence is not null and at >= @Began group by 1
            """, new { alliance.Began });
        var known = (await alliance.Scheduling.Database.Query<(Guid Id, long Sequence)>("select referral_id, sequence from need")).ToDictionary(n => n.Id, n => n.Sequence);
        if (moved.Count(m => known.GetValueOrDefault(m.Id) < m.Sequence) is > 0 and var unheard)
            left.Add($"scheduling has not heard of {unheard} referrals");
        return string.Join(", ", left);
    }

    /// <summary>One sentence for each thing that is lost, doubled or out of order.</summary>
    public static async Task<IReadOnlyList<string>> Breaches(Alliance alliance)
    {
        var breaches = new List<string>();
        async Task Look(Service service, string what, string sql) =>
            breaches.AddRange((await service.Database.Query<Guid>(sql, new { alliance.Began })).Select(id => $"{what}: {id}"));

        await Look(alliance.Referral, "the history has a gap or is not what the row says", """
            select r.id from referral r left join history h on h.referral_id = r.id
            where r.changed_at >= @Began
            group by r.id
            having min(h.version) is distinct from 1 or max(h.version) <> count(h.version) or max(h.version) <> r.version
                or max(h.sequence) is distinct from nullif(count(h.sequence), 0)
            """);
        await Look(alliance.Referral, "a step does not begin where the one before it ended", """
            select distinct referral_id from (
                select referral_id, from_state, lag(to_state) over (partition by referral_id order by version) as before from history) h
            where from_state is distinct from before and referral_id in (select id from referral where changed_at >= @Began)
            """);
        await Look(alliance.Notification, "the log tells events of a referral out of order or with a gap", """
            select distinct referral_id from (
                select referral_id, sequence, irregular, row_number() over (partition by referral_id order by position) as nr
                from event where referral_id is not null) e
            where (sequence <> nr or irregular is not null)
                and referral_id in (select referral_id from event where occurred_at >= @Began)
            """);
        await Look(alliance.Scheduling, "a referral stands in two places", """
            select referral_id from booking where state in ('Held', 'Booked', 'Used') and created_at >= @Began group by referral_id having count(*) > 1
            """);

        var told = await alliance.Referral.Database.Query<Guid>(
            "select message_id from history where sequence is not null and at >= @Began", new { alliance.Began });
        var logged = await alliance.Notification.Database.Query<Guid>(
            "select event_id from event where type like 'referral.%' and occurred_at >= @Began", new { alliance.Began });
        breaches.AddRange(told.Except(logged).Select(id => $"an event was lost: {id}"));
        breaches.AddRange(logged.Except(told).Select(id => $"an event has no row of the history: {id}"));
        if (told.Distinct().Count() != told.Count)
            breaches.Add("two rows of the history share one event");
        return breaches;
    }

    private static async Task<long> Count(Service service, string sql, Alliance alliance) =>
        (await service.Database.Query<long>(sql, new { alliance.Began }))[0];
}
