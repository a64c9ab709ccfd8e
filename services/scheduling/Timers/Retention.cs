using Dapper;
using Npgsql;

namespace SchedulingService.Timers;

/// <summary>
/// Takes away what nobody needs any more: messages heard long ago, kept answers nobody will ask for again, codes of
/// visits that are over. In steps, so that no lock is held for long.
/// </summary>
internal sealed class Retention(NpgsqlDataSource database, TimeProvider clock, IConfiguration configuration)
{
    private const int Most = 2000;
    private static readonly TimeSpan CodesStayTaken = TimeSpan.FromDays(2);

    /// <summary>Longer than a message can lie in a queue; what is put back after that is judged by its sequence alone.</summary>
    private TimeSpan KeepInbox => configuration.GetValue("Retention:Inbox", TimeSpan.FromDays(30));

    /// <summary>A repetition may come a day later: twice that.</summary>
    private TimeSpan KeepAnswers => configuration.GetValue("Retention:Answers", TimeSpan.FromHours(48));

    public Round Round => new("retention", configuration.GetValue("Retention:LookEvery", TimeSpan.FromMinutes(10)), Look);

    // the first two carry the database's own time
    private const string Tidy = """
        delete from inbox where message_id in (select message_id from inbox where heard_at < now() - @KeepInbox limit @Most);
        delete from idempotency_key where ctid in (select ctid from idempotency_key where created_at < now() - @KeepAnswers limit @Most);
        update booking set code_lookup = null where id in (
            select id from booking
            where code_lookup is not null and state in ('Used', 'NoShow') and ends_at < @over
            limit @Most for update skip locked)
        """;

    private async Task<bool> Look(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync(Tidy, new { KeepInbox, KeepAnswers, over = clock.GetUtcNow() - CodesStayTaken, Most }) >= Most;
    }
}
