using System.Text.Json.Nodes;
using Microsoft.OpenApi;
using ServiceDefaults.Http;

namespace SchedulingService.Http;

/// <summary>What the OpenAPI document says of an operation beyond its types.</summary>
internal static class Documentation
{
    /// <summary>Every operation may answer these, and the ones named with it.</summary>
    private static readonly int[] Always = [401, 403, 408, 429, 500, 503];
    private static readonly int[] OfCommands = [400, 413, 415, 422, 507];

    /// <summary>Query parameters mean the same wherever they stand.</summary>
    private static readonly Dictionary<string, string> Parameters = new()
    {
        ["id"] = "Id of the booking.",
        ["institution"] = "Unified social credit code; your own institution when absent.",
        ["department"] = "Department code (诊疗科目), e.g. 03.03; all when absent.",
        ["resource"] = "Slot, Equipment, Reading, Session or Visit; all when absent.",
        ["referral"] = "Id or number of the referral.",
        ["as"] = "receiver (the default) or sender.",
        ["from"] = "Earliest start, a time with an offset (a day for capacity); now when absent.",
        ["to"] = "End, exclusive (for capacity the last day); when absent 92 days, for capacity 14 days, after from.",
        ["free"] = "true: only those that take another patient.",
        ["limit"] = "Rows on a page, 1 to 200; 50 when absent.",
        ["cursor"] = "nextCursor of the page before.",
    };

    public static RouteHandlerBuilder Read<TAnswer>(this RouteHandlerBuilder route, string id, string tag, string summary, string example, params int[] problems) =>
        route.WithName(id).WithTags(tag).WithSummary(summary)
            .Produces<TAnswer>().Produces(StatusCodes.Status304NotModified)
            .Refuses([.. Always, 400, .. problems])
            .Examples(null, "200", example);

    public static RouteHandlerBuilder Command<TBody, TAnswer>(this RouteHandlerBuilder route, string id, string tag, string summary,
        string request, int status, string example, params int[] problems) where TBody : notnull =>
        route.WithName(id).WithTags(tag).WithSummary(summary)
            .Accepts<TBody>("application/json").Produces<TAnswer>(status)
            .Refuses([.. Always, .. OfCommands, .. problems])
            .Header("Idempotency-Key", "A fresh UUID; the same one when the request is repeated.")
            .Examples(request, status.ToString(), example);

    /// <summary>A move changes what somebody else may be looking at: it names what it saw.</summary>
    public static RouteHandlerBuilder NeedsIfMatch(this RouteHandlerBuilder route) =>
        route.Refuses([404, 409, 412, 428]).Header("If-Match", "The ETag last seen, or * for whatever stands now.");

    private static RouteHandlerBuilder Refuses(this RouteHandlerBuilder route, IEnumerable<int> statuses)
    {
        foreach (var status in statuses)
            route.Produces<ProblemBody>(status, "application/problem+json");
        return route;
    }

    private static RouteHandlerBuilder Header(this RouteHandlerBuilder route, string name, string description) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            operation.Parameters ??= [];
            operation.Parameters.Add(new OpenApiParameter
            {
                Name = name, In = ParameterLocation.Header, Required = true, Description = description,
                Schema = new OpenApiSchema { Type = JsonSchemaType.String },
            });
            return Task.CompletedTask;
        });

    private static RouteHandlerBuilder Examples(this RouteHandlerBuilder route, string? request, string status, string answer) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            if (request is not null && operation.RequestBody is OpenApiRequestBody body)
            {
                body.Required = true;
                ((OpenApiMediaType)body.Content!["application/json"]).Example = JsonNode.Parse(request);
            }
            foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
                parameter.Description ??= Parameters[parameter.Name!];
            ((OpenApiMediaType)operation.Responses![status].Content!["application/json"]).Example = JsonNode.Parse(answer);
            return Task.CompletedTask;
        });
}
