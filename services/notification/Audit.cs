using Dapper;
using Npgsql;
using ServiceDefaults.Auth;

namespace NotificationService;

/// <summary>Who changed what and who was refused; rows are only ever added. Ids only.</summary>
internal static class Audit
{
    public static Task Done(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, string action, Guid target) =>
        Write(connection, transaction, caller, action, target, denied: false);

    public static Task Denied(NpgsqlConnection connection, Caller caller, string action, Guid target) =>
        Write(connection, null, caller, action, target, denied: true);

    private static Task Write(NpgsqlConnection connection, NpgsqlTransaction? transaction, Caller caller, string action, Guid target, bool denied) =>
        connection.ExecuteAsync("""
            insert into audit (subject, institution, role, purpose, action, target, denied)
            values (@Subject, @Institution, @Role, @Purpose, @action, @target, @denied)
            """, new { caller.Subject, caller.Institution, Role = caller.Role.ToString(), caller.Purpose, action, target = target.ToString(), denied }, transaction);
}
