using Dapper;
using Npgsql;
using ServiceDefaults.Auth;

namespace SchedulingService;

/// <summary>The trail of who did, read or was refused what: ids only, added to and never changed.</summary>
internal static class Auditing
{
    public static Task Write(NpgsqlConnection connection, DateTimeOffset at, Caller caller, string action, bool denied, IEnumerable<string> targets) =>
        connection.ExecuteAsync("""
            insert into audit (at, subject, institution, role, action, target, purpose, denied)
            select @at, @Subject, @Institution, @Role, @action, target, @Purpose, @denied
            from unnest(@targets) target
            """, new
            {
                at, caller.Subject, caller.Institution, Role = caller.Role.ToString(), action, caller.Purpose, denied,
                targets = targets.ToArray(),
            });
}
