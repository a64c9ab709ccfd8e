using Dapper;
using Npgsql;

namespace NotificationService;

/// <summary>Where the log begins and ends.</summary>
internal static class EventLog
{
    /// <summary>The last position that was ever given, also when nothing is left of the log.</summary>
    public const string LastPosition = "greatest((select max(position) from event), (select pruned from log_start))";

    /// <summary>
    /// The last position that is older than a time: positions grow with the time they were given at, so that bisection
    /// finds it without an index.
    /// </summary>
    public static async Task<long> LastBefore(NpgsqlConnection connection, DateTimeOffset time, NpgsqlTransaction? transaction = null)
    {
        var (older, newer) = await connection.QuerySingleAsync<(long, long)>(
            $"select (select pruned from log_start), {LastPosition} + 1", transaction: transaction);
        while (newer - older > 1)
        {
            var middle = older + (newer - older) / 2;
            var loggedAt = await connection.ExecuteScalarAsync<DateTime?>(
                "select logged_at from event where position = @middle", new { middle }, transaction);
            // one that is missing was taken away for its age
            if (loggedAt is null || loggedAt < time.UtcDateTime)
                older = middle;
            else
                newer = middle;
        }
        return older;
    }
}
