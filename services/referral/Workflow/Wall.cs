using Dapper;
using Npgsql;
using ServiceDefaults.Auth;

namespace ReferralService.Workflow;

/// <summary>
/// Reading for a caller, behind the second wall: the query runs as the role <c>referral_reader</c>, whose rows
/// PostgreSQL itself narrows to what the caller is a party of. A query that forgot its condition finds nothing more.
/// Role and settings hold for one transaction: the next borrower of the connection inherits none.
/// </summary>
internal sealed class Wall(NpgsqlDataSource database, TimeProvider clock)
{
    private const string Raise = """
        select set_config('role', 'referral_reader', true), set_config('referral.institution', @wall_institution, true),
            set_config('referral.subject', @wall_subject, true), set_config('referral.role', @wall_role, true),
            set_config('referral.on_behalf_of', @wall_behalf, true), set_config('referral.day', @wall_day, true),
            set_config('referral.now', @wall_now, true);

        """;

    /// <summary>What the caller may see of what the query asks for; one round trip.</summary>
    public async Task<IReadOnlyList<T>> Query<T>(Caller caller, string sql, object? parameters = null)
    {
        await using var connection = await database.OpenConnectionAsync();
        // one batch is one transaction: what the first statement sets ends with the second
        await using var both = await connection.QueryMultipleAsync(Raise + sql, Settings(caller, parameters));
        await both.ReadAsync<string>();
        return (await both.ReadAsync<T>()).AsList();
    }

    private DynamicParameters Settings(Caller caller, object? parameters)
    {
        var all = new DynamicParameters(parameters);
        var now = clock.GetUtcNow();
        all.Add("wall_institution", caller.Institution);
        all.Add("wall_subject", caller.Subject);
        all.Add("wall_role", caller.Role.ToString());
        all.Add("wall_behalf", caller.OnBehalfOf ?? "");
        all.Add("wall_day", ChinaTime.DayOf(now).ToString("yyyy-MM-dd"));
        all.Add("wall_now", now.UtcDateTime.ToString("O"));
        return all;
    }
}
