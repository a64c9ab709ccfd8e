using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

internal sealed record BrokerUserList(IReadOnlyList<BrokerUserAnswer> Items);

/// <summary>The users of the broker that belong to the caller's institution; there are few.</summary>
internal static class ListBrokerUsers
{
    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/broker-users", Handle)
        .Describe("listBrokerUsers", "Broker users", "List your institution's users of the broker.", EndpointExamples.Roles + " Oldest first, without passwords.")
        .Produces<BrokerUserList>()
        .Produces(304)
        .Refuses(403)
        .Example(null, BrokerExamples.Page);

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, BrokerManagement broker)
    {
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(noCaller!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var users = await connection.QueryAsync<BrokerUser>(
            $"select {BrokerUser.Columns} from broker_user where institution = @Institution and revoked_at is null order by id", caller);
        return Listing.Answer(http, new BrokerUserList([.. users.Select(u => u.Answer(broker))]));
    }
}
