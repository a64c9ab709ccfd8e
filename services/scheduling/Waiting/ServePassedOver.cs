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
    public Round Round => new("passed-over", configuration.GetValue("Waiting:LookEvery", TimeSpan.FromSeconds(30)), Look);

    private const int Most = 20;

    private const string Lines = $"""
        select distinct l.line
        from waiting w
        join need n using (referral_id)
        cross join unnest(w.lines) l (line)
        where {Need.IsWanting} and (
            exists (select from slot s where s.line = l.line and {ServeLine.SlotFits})
            or l.line like '%/Bed' and exists (select from ward wd join bed b on b.ward_id = wd.id where {ServeLine.BedFits}))
        limit @Most
        """;

    private async Task<bool> Look(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        var lines = (await change.Connection.QueryAsync<string>(Lines, new { change.Now, Most })).Select(Line.Named).ToList();
        if (lines.Count == 0)
            return false;
        await Line.Pass(change, lines);
        foreach (var line in lines)
            await ServeLine.Serve(change, line);
        await change.Commit();
        // who is being changed again is found by the next round
        return false;
    }
}
