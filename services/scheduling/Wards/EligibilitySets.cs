using Dapper;
using Npgsql;
using ServiceDefaults.Http;

namespace SchedulingService.Wards;

/// <summary>
/// Names of the sets that referrals are eligible by. Which diagnoses belong to one, the referral service alone knows; which
/// names there are is heard of its events. A ward of any other name would take nobody, and nobody would notice.
/// </summary>
internal static class EligibilitySets
{
    /// <summary>Whether no referral names the set of the ward <c>wd</c>.</summary>
    public const string TakesNobody = "wd.eligibility is not null and not exists (select from eligibility_set e where e.name = wd.eligibility)";

    /// <summary>Remembers what was heard; each name once.</summary>
    public static Task Meet(Change change, string[] names) => names.Length == 0 ? Task.CompletedTask
        : change.Connection.ExecuteAsync("insert into eligibility_set (name) select unnest(@names) on conflict do nothing", new { names });

    /// <summary>The refusal of a set that no referral names; null for one that is named, and for none.</summary>
    public static async Task<Problem?> Unknown(NpgsqlConnection connection, string? name)
    {
        if (name is null)
            return null;
        if (await connection.ExecuteScalarAsync<bool>("select exists (select from eligibility_set where name = @name)", new { name }))
            return null;
        var known = (await connection.QueryAsync<string>("select name from eligibility_set order by name limit 50")).AsList();
        return new Problem(SchedulingProblems.UnknownSet) { More = new Dictionary<string, object?> { ["sets"] = known } };
    }
}
