using Npgsql;
using ServiceDefaults.Auditing;
using ServiceDefaults.Auth;

namespace SchedulingService;

/// <summary>The trail of who did, read or was refused what: ids only, added to and never changed.</summary>
internal static class Auditing
{
    public static Task Write(NpgsqlConnection connection, DateTimeOffset at, Caller caller, string action, bool denied, IEnumerable<string> targets,
        Guid? referralId = null) =>
        AuditTrail.Write(connection, at, caller, action, denied, referralId, [.. targets]);
}
