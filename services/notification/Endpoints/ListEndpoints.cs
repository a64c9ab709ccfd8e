using System.ComponentModel;
using Dapper;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <param name="Next">Cursor of the next page; absent on the last one.</param>
internal sealed record EndpointPage(IReadOnlyList<EndpointAnswer> Items, string? Next);

/// <summary>The endpoints of the caller's institution, oldest first.</summary>
internal static class ListEndpoints
{
    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/endpoints", Handle)
        .Describe("listEndpoints", "Endpoints", "List the webhook endpoints of your institution.",
            EndpointExamples.Roles + " Oldest first; follow Link rel=\"next\".")
        .Produces<EndpointPage>()
        .Produces(304)
        .Refuses(400, 403)
        .Example(null, EndpointExamples.Page);

    private static async Task<IResult> Handle(HttpContext http, NpgsqlDataSource database, Cursors cursors,
        [Description("Cursor of the page before.")] string? cursor = null,
        [Description("Page size, 1 to 500; 50 when absent.")] string? limit = null)
    {
        var (caller, noCaller) = Caller.Of(http);
        var (size, badLimit) = Listing.Limit(limit);
        if (badLimit is not null)
            return new ProblemResult(badLimit);
        if (caller is null)
            return new ProblemResult(noCaller!);
        var list = "endpoints|" + caller.Institution;
        Guid from = default;
        if (cursor is not null && !Guid.TryParse(cursors.Open(list, cursor), out from))
            return new ProblemResult(Listing.BadCursor("cursor"));
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        // ids are made in the order of time; one row more than asked tells whether there is a next page
        var rows = (await connection.QueryAsync<Endpoint>($"""
            select {Endpoint.Columns}
            from endpoint
            where institution = @Institution and deleted_at is null and id > @from
            order by id
            limit @size + 1
            """, new { caller.Institution, from, size })).AsList();
        var page = rows.Take(size).Select(e => e.Answer()).ToArray();
        var next = rows.Count > size ? cursors.Seal(list, page[^1].Id.ToString()) : null;
        if (next is not null)
            Listing.LinkNext(http, "cursor", next, size);
        return Listing.Answer(http, new EndpointPage(page, next));
    }
}
