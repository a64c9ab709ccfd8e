using Npgsql;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;

namespace NotificationService;

/// <summary>Who changed what and who was refused; rows are only ever added. Ids only.</summary>
internal static class Audit
{
    /// <summary>In the transaction of the change, which the connection is in.</summary>
    public static Task Done(NpgsqlConnection connection, NpgsqlTransaction transaction, Caller caller, string action, Guid target) =>
        AuditTrail.Write(transaction.Connection ?? connection, null, caller, action, denied: false, target: target.ToString());

    public static Task Denied(NpgsqlConnection connection, Caller caller, string action, Guid target) =>
        AuditTrail.Write(connection, null, caller, action, denied: true, target: target.ToString());
}
