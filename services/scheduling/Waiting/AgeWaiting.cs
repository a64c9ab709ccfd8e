using Dapper;
using SchedulingService.Timers;

namespace SchedulingService.Waiting;

/// <summary>
/// Who has waited too long moves up: without a family-doctor contract he stands from then on among those of his priority
/// who have one, where the longest wait is first. So nobody waits for ever behind a stream of contracts.
/// </summary>
internal sealed class AgeWaiting(Changes changes, IConfiguration configuration)
{
    /// <summary>How long each priority waits before it is too long.</summary>
    private TimeSpan Emergency => configuration.GetValue("Waiting:AgedAfterEmergency", TimeSpan.FromHours(4));
    private TimeSpan Urgent => configuration.GetValue("Waiting:AgedAfterUrgent", TimeSpan.FromDays(1));
    private TimeSpan Routine => configuration.GetValue("Waiting:AgedAfterRoutine", TimeSpan.FromDays(3));

    public Round Round => new("waiting", configuration.GetValue("Waiting:LookEvery", TimeSpan.FromSeconds(30)), Look);

    private const int Most = 500;

    private async Task<bool> Look(CancellationToken ct)
    {
        await using var change = await changes.Begin(ct);
        // skip locked: whoever is being served or changed now is looked at again
        var aged = await change.Connection.ExecuteAsync("""
            update waiting set aged_at = @Now, rank = rank / 2 * 2
            where referral_id in (
                select referral_id from waiting
                where aged_at is null and since <= @Now - case rank / 2 when 0 then @Emergency when 1 then @Urgent else @Routine end
                order by since
                limit @Most
                for update skip locked)
            """, new { change.Now, Emergency, Urgent, Routine, Most });
        await change.Commit();
        return aged == Most;
    }
}
