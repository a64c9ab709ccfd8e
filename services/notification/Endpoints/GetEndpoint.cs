using System.Text.Json;
using Npgsql;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>One endpoint of the caller's institution, without its secret.</summary>
internal static class GetEndpoint
{
    public static void Map(IEndpointRouteBuilder app) => app.MapGet("/endpoints/{id}", Handle)
        .Describe("getEndpoint", "Endpoints", "Read a webhook endpoint.",
            EndpointExamples.Roles + " Another institution's endpoint is not found.")
        .Produces<EndpointAnswer>()
        .Produces(304)
        .Refuses(403, 404)
        .Example(null, EndpointExamples.Endpoint);

    private static async Task<IResult> Handle(HttpContext http, string id, NpgsqlDataSource database)
    {
        var (caller, noCaller) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(noCaller!);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var (endpoint, notFound) = await Endpoint.Find(connection, caller, id, "endpoint.read");
        if (endpoint is null)
            return new ProblemResult(notFound!);
        if (caller.MayManageEndpoints() is { } forbidden)
            return new ProblemResult(forbidden);
        return Listing.Bytes(http, JsonSerializer.SerializeToUtf8Bytes(endpoint.Answer(), Json.Lenient), endpoint.ETag);
    }
}
