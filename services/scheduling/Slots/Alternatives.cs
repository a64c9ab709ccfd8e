using Dapper;
using Npgsql;
using SchedulingService.Waiting;

namespace SchedulingService.Slots;

/// <summary>What somebody is offered who wanted a slot that he cannot have.</summary>
internal static class Alternatives
{
    private const int Most = 5;

    // from the wish outwards along the index: a line may hold a year of free slots
    private const string Nearest = $"""
        select id, institution, department, resource, clinician, starts_at, ends_at, capacity, free
        from (({Free} and s.starts_at >= greatest(@wish, @now) order by s.starts_at, s.id limit @Most)
              union all
              ({Free} and s.starts_at < @wish and s.starts_at > @now order by s.starts_at desc, s.id desc limit @Most)) near
        order by abs(extract(epoch from starts_at - @wish)), id
        limit @Most
        """;

    private const string Free = $"""
        select s.id, s.institution, s.department, s.resource, s.clinician, s.starts_at, s.ends_at, s.capacity, s.capacity - s.taken as free
        from need n, slot s
        where n.referral_id = @referralId and s.line = @line and {Fitting.SlotHasRoom} and {Fitting.SlotIsFor}
        """;

    /// <summary>Free slots of the line that this referral may have, those nearest to the wished hour first.</summary>
    public static async Task<IReadOnlyList<ListedSlot>> For(
        NpgsqlConnection connection, DateTimeOffset now, Guid referralId, Line line, DateTimeOffset wish) =>
        (await connection.QueryAsync<ListedSlot>(Nearest, new { referralId, line = line.Name, now, wish, Most })).AsList();
}
