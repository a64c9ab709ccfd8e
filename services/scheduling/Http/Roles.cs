using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Http;

/// <summary>Who may do what; the tokens say who is who.</summary>
internal static class Roles
{
    /// <summary>Those who publish places of their own institution.</summary>
    public static readonly IReadOnlyList<Role> Publish = [Role.Coordinator, Role.Registrar, Role.Head, Role.Machine, Role.Operator];

    /// <summary>Those who see and move bookings their institution is a party of.</summary>
    public static readonly IReadOnlyList<Role> Staff = [Role.Clinician, Role.Coordinator, Role.Registrar, Role.Head, Role.Machine];

    /// <summary>404 for somebody who is no party, as if there were nothing; the attempt is on the record.</summary>
    public static async Task<IResult> NoParty(NpgsqlDataSource database, TimeProvider clock, Caller caller, string action, string target)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await NoParty(connection, clock, caller, action, target);
    }

    /// <summary>As the other one, for whoever has a connection: a crowd that held one each would wait for further ones for ever.</summary>
    public static async Task<IResult> NoParty(NpgsqlConnection connection, TimeProvider clock, Caller caller, string action, string target)
    {
        await Auditing.Write(connection, clock.GetUtcNow(), caller, action, denied: true, [target]);
        return new ProblemResult(Problems.NotFound);
    }
}
