using System.Net.Http;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.OpenApi;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.OpenApi;

namespace ServiceDefaults.Http;

/// <summary>OpenAPI 3.1 at <c>/openapi/v1.json</c>, its page at <c>/swagger</c>, the problem catalogue at <c>/v1/problems</c>.</summary>
public static class OpenApi
{
    public static void AddOpenApiDefaults(this WebApplicationBuilder builder, ServiceDescription service) =>
        builder.Services.AddOpenApi("v1", options =>
        {
            options.OpenApiVersion = OpenApiSpecVersion.OpenApi3_1;
            options.AddDocumentTransformer((document, _, _) =>
            {
                document.Info = new()
                {
                    Title = service.Title,
                    Version = "1",
                    Description = service.Summary,
                    Contact = new() { Name = "Referral", Url = new("https://github.com/referral-alliance/referral") },
                    License = new() { Name = "Apache-2.0", Identifier = "Apache-2.0" },
                };
                document.Servers = [new() { Url = "/", Description = "This service" }];
                foreach (var tag in document.Tags ?? new HashSet<OpenApiTag>())
                    tag.Description = service.Sections.GetValueOrDefault(tag.Name!, $"{tag.Name} of the {service.Name} service.");
                document.Components ??= new();
                document.Components.SecuritySchemes = new Dictionary<string, IOpenApiSecurityScheme>
                {
                    ["bearer"] = new OpenApiSecurityScheme
                    {
                        Type = SecuritySchemeType.Http, Scheme = "bearer", BearerFormat = "JWT",
                        Description = "Token of an OIDC issuer with the claims institution, role, purpose.",
                    },
                };
                return Task.CompletedTask;
            });
            // what is null is left out of answers and may be left out of requests: nothing nullable is required
            options.AddSchemaTransformer((schema, context, _) =>
            {
                foreach (var member in context.JsonTypeInfo.Properties)
                    if (member.IsGetNullable || Nullable.GetUnderlyingType(member.PropertyType) is not null)
                        schema.Required?.Remove(member.Name);
                return Task.CompletedTask;
            });
            options.AddOperationTransformer((operation, context, _) =>
            {
                var anonymous = context.Description.ActionDescriptor.EndpointMetadata.OfType<IAllowAnonymous>().Any();
                operation.Description ??= operation.Summary;
                operation.Security = anonymous ? []
                    : [new() { [new OpenApiSecuritySchemeReference("bearer", context.Document)] = [] }];
                // a list in the query may always be empty; the generated endpoints say otherwise
                foreach (var parameter in operation.Parameters?.OfType<OpenApiParameter>() ?? [])
                    if (parameter is { In: ParameterLocation.Query, Schema.Type: { } type } && type.HasFlag(JsonSchemaType.Array))
                        parameter.Required = false;
                return Task.CompletedTask;
            });
        });

    public static void MapOpenApiDefaults(this WebApplication app)
    {
        app.MapOpenApi("/openapi/{documentName}.json").AllowAnonymous();
        app.UseSwaggerUI(page =>
        {
            page.SwaggerEndpoint("/openapi/v1.json", "v1");
            page.RoutePrefix = "swagger";
        });
        app.MapGet("/v1/problems", (HttpContext http, ServiceDescription service) =>
            {
                var chinese = Problems.SpeaksChinese(http.Request);
                return TypedResults.Ok(service.AllProblems.Select(p =>
                    new ProblemCatalogueEntry(p.Code, p.Uri, p.Status, p.Title.In(chinese), p.WhatToDo.In(chinese))).ToArray());
            })
            .AllowAnonymous()
            .Produces<ProblemBody>(429, "application/problem+json")
            .Describe("listProblems", "Problems", "Every refusal this service can answer with, and what to do about it.");
    }
}

/// <summary>One line of the error catalogue.</summary>
public sealed record ProblemCatalogueEntry(string Code, string Type, int Status, string Title, string WhatToDo);
