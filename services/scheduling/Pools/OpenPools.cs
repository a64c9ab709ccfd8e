using Dapper;
using SchedulingService.Timers;
using SchedulingService.Waiting;

namespace SchedulingService.Pools;

/// <summary>Reserved slots nobody took open to everybody at their hour; who waits for one is booked at once.</summary>
internal sealed class OpenPools(Changes changes)
{
    private const int Most = 20;

    public Round Round => new("pools", TimeSpan.FromSeconds(1), Look);

    private async Task<bool> Look(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        var lines = (await change.Connection.QueryAsync<(string Institution, string Department, string Resource)>("""
            select distinct institution, department, resource
            from slot
            where reserved_for is not null and opened_at is null and withdrawn_at is null and opens_at <= @Now
            limit @Most
            """, new { change.Now, Most })).Select(l => Line.Of(l.Institution, l.Department, l.Resource)).Distinct().ToList();
        if (lines.Count == 0)
            return false;
        await Line.Pass(change, lines);
        await change.Connection.ExecuteAsync("""
            update slot set opened_at = @Now
            where reserved_for is not null and opened_at is null and withdrawn_at is null and opens_at <= @Now and line = any (@names)
            """, new { change.Now, names = lines.Select(l => l.Name).ToArray() });
        foreach (var line in lines)
            await ServeLine.Serve(change, line);
        await change.Commit();
        return lines.Count == Most;
    }
}
