using Dapper;
using Npgsql;
using ServiceDefaults.Auth;

namespace NotificationService;

/// <summary>Who changed what and who was refused; rows are only ever added. Ids only.</summary>
internal static class Audit
{
    public static Task Done(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, string action, Guid target) =>
        Write(connection, transaction, caller, action, target, "Done");

    public static Task Denied(NpgsqlConnection connection, Caller caller, string action, Guid target) =>
        Write(connection, null, caller, action, target, "Denied");

    private static Task Write(NpgsqlConnection connection, NpgsqlTransaction? transaction, Caller caller, string action, Guid target, string outcome) =>
        connection.ExecuteAsync("""
            insert into audit (subject, institution, role, action, target, outcome)
            values (@Subject, @Institution, @Role, @action, @target, @outcome)
            """, new { caller.Subject, caller.Institution, Role = caller.Role.ToString(), action, target = target.ToString(), outcome }, transaction);
}
