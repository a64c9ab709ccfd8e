using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.OpenApi;

namespace ServiceDefaults.Http;

/// <summary>What the OpenAPI document says of an operation beyond its types.</summary>
public static class Documentation
{
    // no route can help these: the token, the load, our own faults
    private static readonly int[] Everywhere = [401, 429, 500, 503];

    /// <summary>Id, tag, the one sentence an integrator reads first, and what else there is to know.</summary>
    public static RouteHandlerBuilder Describe(this RouteHandlerBuilder route, string id, string tag, string summary, string? more = null) =>
        route.WithName(id).WithTags(tag).WithSummary(summary).WithDescription(more ?? summary);

    /// <summary>The refusals an operation can answer with, beside those every operation can.</summary>
    public static RouteHandlerBuilder Refuses(this RouteHandlerBuilder route, params int[] statuses)
    {
        foreach (var status in Everywhere.Concat(statuses).Distinct().Order())
            route.Produces<ProblemBody>(status, "application/problem+json");
        return route.RequireAuthorization();
    }

    /// <summary>The refusals and the header of every command; with <paramref name="ifMatch"/> those of a move.</summary>
    public static RouteHandlerBuilder RefusesLikeACommand(this RouteHandlerBuilder route, bool ifMatch = false, params int[] more)
    {
        route.Refuses([400, 403, 404, 408, 409, 413, 415, 422, 507, .. more]);
        route.NeedsHeader("Idempotency-Key", "A fresh UUID, and the same one when the request is repeated.", "9d8f3c52-6a0e-4b7b-8f53-0f1d7c1f0a11");
        return ifMatch
            ? route.Refuses(412, 428).NeedsHeader("If-Match", "The ETag last seen, or * for whatever stands now.", "\"3\"")
            : route;
    }

    public static RouteHandlerBuilder NeedsHeader(this RouteHandlerBuilder route, string name, string description, string example) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            (operation.Parameters ??= []).Add(new OpenApiParameter
            {
                Name = name, In = ParameterLocation.Header, Required = true, Description = description,
                Schema = new OpenApiSchema { Type = JsonSchemaType.String, MinLength = 1, MaxLength = 128 },
                Example = example,
            });
            return Task.CompletedTask;
        });

    /// <summary>An example of what is sent and of what is answered.</summary>
    public static RouteHandlerBuilder Example(this RouteHandlerBuilder route, object? request, object? answer) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            if (request is not null && operation.RequestBody is OpenApiRequestBody { Content: { } sent } body)
            {
                body.Required = true;
                foreach (var media in sent.Values.OfType<OpenApiMediaType>())
                    media.Example = Node(request);
            }
            if (answer is not null && operation.Responses?.FirstOrDefault(r => r.Key is "200" or "201" or "202").Value?.Content is { } answered)
                foreach (var media in answered.Values.OfType<OpenApiMediaType>())
                    media.Example = Node(answer);
            return Task.CompletedTask;
        });

    private static JsonNode? Node(object example) =>
        example is string json ? JsonNode.Parse(json) : JsonSerializer.SerializeToNode(example, example.GetType(), Json.Lenient);
}
