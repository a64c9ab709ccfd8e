using System.Text.Json.Nodes;
using Microsoft.OpenApi;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>What the OpenAPI document says about a route beyond its types.</summary>
internal static class Docs
{
    /// <summary>The refusals a route can answer with; 401 and what no route can help are among them.</summary>
    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder route, params ReadOnlySpan<int> statuses)
    {
        foreach (var status in (int[])[401, .. statuses, 500, 503])
            route.Produces<ProblemBody>(status, "application/problem+json");
        return route;
    }

    /// <summary>An example of what is sent and of what is answered.</summary>
    public static RouteHandlerBuilder Example(this RouteHandlerBuilder route, int status, string? answer, string? request = null) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            if (request is not null && operation.RequestBody?.Content is { } sent)
                foreach (var media in sent.Values)
                    media.Example = JsonNode.Parse(request);
            if (answer is not null && operation.Responses?[status.ToString()].Content is { } answered)
                foreach (var media in answered.Values)
                    media.Example = JsonNode.Parse(answer);
            return Task.CompletedTask;
        });

    /// <summary>The header every POST needs.</summary>
    public static RouteHandlerBuilder NeedsIdempotencyKey(this RouteHandlerBuilder route) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            (operation.Parameters ??= []).Add(new OpenApiParameter
            {
                Name = "Idempotency-Key", In = ParameterLocation.Header, Required = true,
                Description = "1 to 128 visible ASCII characters; the same one when the request is repeated.",
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = 128 },
                Example = "9d8f3c52-6a0e-4b7b-8f53-0f1d7c1f0a11",
            });
            return Task.CompletedTask;
        });
}
