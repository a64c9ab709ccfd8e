using Dapper;
using MassTransit;
using Npgsql;
using Referrals.Contracts;

namespace ReferralService.Matching;

/// <summary>What is free of one kind of place in one department, as scheduling last said it.</summary>
internal sealed record FreeCapacity(string Institution, string Department, string Resource, DateOnly[] Days, int[] Counts, DateTimeOffset AsOf)
{
    /// <summary>The first day from <paramref name="from"/> on with a free place, and how many; null when there is none.</summary>
    public (DateOnly On, int Count)? First(DateOnly from)
    {
        (DateOnly On, int Count)? first = null;
        for (var i = 0; i < Days.Length; i++)
            if (Days[i] >= from && Counts[i] > 0 && (first is null || Days[i] < first.Value.On))
                first = (Days[i], Counts[i]);
        return first;
    }

    private sealed record Row(string Institution, string Department, string Resource, DateTime[] Days, int[] Counts, DateTimeOffset AsOf);

    /// <summary>What was said of these departments and this kind of place.</summary>
    public static async Task<IReadOnlyDictionary<(string Institution, string Department), FreeCapacity>> Of(
        NpgsqlDataSource database, string resource, IReadOnlyCollection<string> departments)
    {
        await using var command = database.CreateCommand("""
            select institution, department, resource, days, counts, as_of
            from capacity
            where resource = $1 and department = any($2)
            """);
        command.Parameters.AddWithValue(resource);
        command.Parameters.AddWithValue(departments.ToArray());
        var known = new Dictionary<(string, string), FreeCapacity>();
        await using var rows = await command.ExecuteReaderAsync();
        while (await rows.ReadAsync())
        {
            var row = new FreeCapacity(rows.GetString(0), rows.GetString(1), rows.GetString(2), rows.GetFieldValue<DateOnly[]>(3),
                rows.GetFieldValue<int[]>(4), rows.GetFieldValue<DateTimeOffset>(5));
            known[(row.Institution, row.Department)] = row;
        }
        return known;
    }
}

/// <summary>
/// Keeps what scheduling says is free. A repeated event is known by its id, a late one by its time: neither changes
/// anything, and two instances may hear at once.
/// </summary>
internal sealed class WhenCapacityChanges(NpgsqlDataSource database, ILogger<WhenCapacityChanges> log) : IConsumer<SchedulingEvent>
{
    public const string Queue = "referral-capacity-events";

    public static readonly string[] Hears = [SchedulingEvents.CapacityChanged];

    private const string Keep = """
        with heard as (
            insert into inbox (message_id, consumer) values (@id, @queue) on conflict do nothing returning message_id
        )
        insert into capacity (institution, department, resource, days, counts, as_of)
        select @institution, @department, @resource, @days, @counts, @time from heard
        on conflict (institution, department, resource) do update
            set days = excluded.days, counts = excluded.counts, as_of = excluded.as_of
            -- an event that was overtaken is older news
            where capacity.as_of < excluded.as_of
        """;

    public async Task Consume(ConsumeContext<SchedulingEvent> context)
    {
        var (e, facts) = (context.Message, context.Message.Data);
        if (facts is not { Department: { } department, Resource: { } resource, Free: { } free })
        {
            log.LogWarning("{Type} {MessageId} names no department, kind of place or days", e.Type, e.Id);
            return;
        }
        var days = free.GroupBy(f => f.On).OrderBy(g => g.Key).Select(g => (On: g.Key, Count: g.Sum(f => Math.Max(0, f.Count)))).ToArray();
        await using var connection = await database.OpenConnectionAsync(context.CancellationToken);
        await connection.ExecuteAsync(Keep, new
        {
            id = e.Id, queue = Queue, institution = facts.Institution, department, resource,
            days = Array.ConvertAll(days, d => d.On), counts = Array.ConvertAll(days, d => d.Count), time = e.Time,
        });
    }
}
