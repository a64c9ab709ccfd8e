using Dapper;
using Npgsql;
using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <summary>
/// Who looks after an institution's machine clients: its head and its operator, and the alliance's office for a member
/// that it names in <c>onBehalfOf</c>. A client never looks after clients.
/// </summary>
internal sealed class ClientDesk(NpgsqlDataSource database, AllianceDirectory directory, Access access, Keys keys, TimeProvider clock)
{
    public const string Roles = "Roles Head, Operator; AllianceOffice for a member.";
    private const string Answers = "client-answers";

    /// <summary>The institution whose clients the caller looks after; null for one who looks after none.</summary>
    public string? OwnerFor(Caller caller) => caller.Role switch
    {
        Role.Head or Role.Operator => caller.Institution,
        Role.AllianceOffice when caller.OnBehalfOf is not { } member || member == caller.Institution => caller.Institution,
        Role.AllianceOffice => directory.Current.ShareAnAlliance(caller.Institution, caller.OnBehalfOf!, ChinaTime.DayOf(clock.GetUtcNow())) ? caller.OnBehalfOf : null,
        _ => null,
    };

    /// <summary>The client when it is in the caller's care; 404 with a row in the audit for another institution's, 403 for a wrong role.</summary>
    public async Task<(Client? Client, IResult? Refused)> Find(Caller caller, string id, string action)
    {
        await using var connection = await database.OpenConnectionAsync();
        var client = ClientSecret.IdShape().IsMatch(id) ? await Read(connection, null, id) : null;
        var owner = OwnerFor(caller);
        if (client is null || client.Institution != (owner ?? caller.Institution))
        {
            await access.Denied(connection, caller, action, null, id);
            return (null, new ProblemResult(Problems.NotFound));
        }
        if (owner is null)
        {
            await access.Denied(connection, caller, action, null, id);
            return (null, new ProblemResult(Problems.Forbidden));
        }
        return (client, null);
    }

    public static Task<Client?> Read(NpgsqlConnection connection, NpgsqlTransaction? transaction, string id) =>
        connection.QuerySingleOrDefaultAsync<Client>(
            "select " + Client.Columns + " from client where id = @id" + (transaction is null ? "" : " for update"), new { id }, transaction);

    public Task Audit(NpgsqlConnection connection, Caller caller, string action, string id) =>
        ServiceDefaults.Auditing.AuditTrail.Write(connection, clock.GetUtcNow(), caller, action, denied: false, null, id);

    /// <summary>An answer that holds a secret is kept for repetitions as the secret would be: sealed.</summary>
    public Kept SealedAnswers => new(
        body => Convert.ToBase64String(keys.Seal(Answers, System.Text.Encoding.UTF8.GetBytes(body))),
        kept => System.Text.Encoding.UTF8.GetString(keys.Open(Answers, Convert.FromBase64String(kept))));
}
