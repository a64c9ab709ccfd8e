using Dapper;
using SchedulingService.Needs;
using SchedulingService.Timers;

namespace SchedulingService.Waiting;

/// <summary>
/// Whoever was being changed while his line was served was passed over. A change that refused, or only held a place, did
/// not ask for him afterwards: so whoever waits while a place is free that he could use is found here, and served.
/// </summary>
internal sealed class ServePassedOver(Changes changes, IConfiguration configuration)
{
    public Round Round => new("passed-over", configuration.GetValue("Waiting:ServeEvery", TimeSpan.FromSeconds(30)), Look);

    private const int Most = 20;

    private const string Lines = $"""
        select l.line
        from waiting w
        join need n using (referral_id)
        cross join unnest(w.lines) l (line)
        where {Need.IsWanting} and (
            exists (select from slot s where s.line = l.line and {ServeLine.SlotFits})
            or l.line like '%/Bed' and exists (select from ward wd join bed b on b.ward_id = wd.id where {ServeLine.BedFits}))
        group by l.line
        order by min(w.since)
        limit @Most
        """;

    private async Task<bool> Look(CancellationToken ct)
    {
        var (lines, served) = (await Find(ct), 0);
        // each in a change of its own: no desk waits for a line that is not its own, and what fails in one undoes no other
        foreach (var line in lines)
        {
            await using var change = await changes.Begin(ct);
            await Line.Pass(change, [line]);
            served += (await ServeLine.Serve(change, line)).Count;
            await change.Commit();
        }
        // who is being changed again is found by the next round
        return lines.Count == Most && served > 0;
    }

    private async Task<IReadOnlyList<Line>> Find(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        return [.. (await change.Connection.QueryAsync<string>(Lines, new { change.Now, Most })).Select(Line.Named)];
    }
}
