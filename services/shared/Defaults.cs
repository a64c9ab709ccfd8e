using System.Diagnostics;
using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;
using ServiceDefaults.Protection;
using ServiceDefaults.Storage;
using ServiceDefaults.Telemetry;
using KestrelServerOptions = Microsoft.AspNetCore.Server.Kestrel.Core.KestrelServerOptions;

namespace ServiceDefaults;

/// <summary>What all three services share: tokens, problems, JSON, database, health, OpenAPI.</summary>
public static class Defaults
{
    public static void AddServiceDefaults(this WebApplicationBuilder builder, ServiceDescription description)
    {
        builder.RequireSafeSettings();
        builder.Services.AddSingleton(description);
        builder.Services.TryAddSingleton(TimeProvider.System);
        builder.Services.AddSingleton<Keys>();
        builder.Services.AddSingleton<Cursors>();
        builder.Services.AddSingleton<RateLimits>();
        builder.Services.AddSingleton<ClientScopes>();
        builder.AddTokens();
        builder.AddDatabase();
        builder.AddMetrics();
        builder.AddOpenApiDefaults(description);
        builder.Services.ConfigureHttpJsonOptions(json => Json.With(json.SerializerOptions));
        // poor links: a worklist of twenty rows shrinks to a fifth
        builder.Services.AddResponseCompression(compression =>
        {
            compression.EnableForHttps = true;
            compression.MimeTypes = ["application/json", "application/problem+json", "text/html", "text/csv"];
        });
        builder.Services.AddHealthChecks().AddCheck<DatabaseCheck>("database", tags: ["ready"]);
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = 8 * 1024 * 1024;
            kestrel.Limits.MaxRequestHeadersTotalSize = 16 * 1024;
        });
        builder.Logging.ClearProviders();
        builder.Logging.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.UseUtcTimestamp = true;
            console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
        });
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddFilter("MassTransit", LogLevel.Warning);
        // the answer of /health/ready says it; the log would say it again at every poll
        builder.Logging.AddFilter("Microsoft.Extensions.Diagnostics.HealthChecks", LogLevel.None);
    }

    /// <summary>Runs <c>migrate</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunMigrations(this WebApplication app, string[] args)
    {
        var verb = args.FirstOrDefault() == "migrate";
        var owner = app.Configuration.GetConnectionString("Owner");
        if (verb || app.Environment.IsDevelopment() && owner is not null)
        {
            if (owner is null)
                throw new InvalidOperationException("ConnectionStrings:Owner is missing: migrations run as the owner of the tables.");
            var ran = await Migrations.Run(owner, Assembly.GetEntryAssembly()!);
            if (verb)
                Console.WriteLine(ran == 0 ? "The database is up to date." : $"{ran} migration(s) ran.");
        }
        return verb;
    }

    /// <summary>Error answers, tokens, health, OpenAPI and its pages. Call it before the service's own routes.</summary>
    public static void UseServiceDefaults(this WebApplication app)
    {
        app.UseKnownProxies();
        app.UseSecurityHeaders();
        app.UseResponseCompression();
        app.Use(AnswerFaults);
        app.UseStatusCodePages(Complain);
        app.UseAuthentication();
        app.Use(app.Services.GetRequiredService<RateLimits>().Count);
        app.Use(app.Services.GetRequiredService<ClientScopes>().Check);
        app.UseAuthorization();
        app.MapHealthChecks("/health/live", new() { Predicate = _ => false }).AllowAnonymous().ExcludeFromDescription();
        app.MapHealthChecks("/health/ready", new()
        {
            Predicate = check => check.Tags.Contains("ready"),
            ResultStatusCodes = { [HealthStatus.Degraded] = 200 },
            ResponseWriter = WriteHealth,
        }).AllowAnonymous().ExcludeFromDescription();
        app.MapMetrics();
        app.MapOpenApiDefaults();
    }

    // one place turns what nobody foresaw into an answer: the reason goes to the log, the caller gets a trace id
    private static async Task AnswerFaults(HttpContext http, RequestDelegate next)
    {
        Auditing.AuditTrail.Begin();
        try
        {
            await next(http);
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
        }
        catch (Exception e) when (!http.Response.HasStarted)
        {
            var problem = e switch
            {
                BadHttpRequestException { StatusCode: 413 } => Problems.TooLarge,
                BadHttpRequestException { StatusCode: 408 } => Problems.Timeout,
                BadHttpRequestException => Problems.Malformed,
                PostgresException { SqlState: PostgresErrorCodes.DiskFull or "53400" } => Problems.StorageFull,
                PostgresException p when !p.IsTransient && p.SqlState[..2] is not ("57" or "53" or "08") => Problems.Internal,
                NpgsqlException or TimeoutException => new Problem(Problems.Unavailable) { RetryAfter = 2 },
                _ => (Problem)Problems.Internal,
            };
            var log = http.RequestServices.GetRequiredService<ILoggerFactory>().CreateLogger("Http");
            if (problem.Type == Problems.Internal)
                log.LogError("{Method} {Route} failed: {Fault}", http.Request.Method, Route(http), Describe(e));
            else
                log.LogWarning("{Method} {Route}: {Code} ({Fault})", http.Request.Method, Route(http), problem.Type.Code, Kinds(e));
            http.Response.Clear();
            await Problems.Write(http, problem);
        }
    }

    // type and stack, and PostgreSQL's code: messages may quote a patient's values
    private static string Describe(Exception e) =>
        e.GetType().Name + (e is PostgresException p ? $" {p.SqlState} {p.ConstraintName}" : "") + "\n" + e.StackTrace;

    // the exception and what it came of
    private static string Kinds(Exception e) => e.InnerException is { } inner ? $"{e.GetType().Name} < {Kinds(inner)}" : e.GetType().Name;

    private static string Route(HttpContext http) =>
        (http.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText ?? "(no route)";

    private static Task Complain(Microsoft.AspNetCore.Diagnostics.StatusCodeContext context) =>
        context.HttpContext.Response.StatusCode switch
        {
            401 => Problems.Write(context.HttpContext, Problems.Unauthenticated),
            403 => Problems.Write(context.HttpContext, Problems.Forbidden),
            404 => Problems.Write(context.HttpContext, Problems.NotFound),
            405 => Problems.Write(context.HttpContext, Problems.MethodNotAllowed),
            408 => Problems.Write(context.HttpContext, Problems.Timeout),
            413 => Problems.Write(context.HttpContext, Problems.TooLarge),
            415 => Problems.Write(context.HttpContext, Problems.WrongMediaType),
            429 => Problems.Write(context.HttpContext, Problems.TooMany),
            400 => Problems.Write(context.HttpContext, Problems.Malformed),
            _ => Task.CompletedTask,
        };

    private static Task WriteHealth(HttpContext http, HealthReport report) =>
        http.Response.WriteAsJsonAsync(new
        {
            status = report.Status.ToString().ToLowerInvariant(),
            parts = report.Entries.ToDictionary(e => e.Key, e => e.Value.Status.ToString().ToLowerInvariant()),
        }, Json.Lenient);

    private sealed class DatabaseCheck(NpgsqlDataSource database) : IHealthCheck
    {
        public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken ct = default)
        {
            try
            {
                await using var command = database.CreateCommand("select 1 from schema_version limit 1");
                return await command.ExecuteScalarAsync(ct) is null
                    ? HealthCheckResult.Unhealthy("no migration ran")
                    : HealthCheckResult.Healthy();
            }
            catch (Exception e)
            {
                return HealthCheckResult.Unhealthy(e.GetType().Name);
            }
        }
    }
}

/// <summary>What a service is called in its OpenAPI document, its sections there, and which problems it may answer with.</summary>
public sealed record ServiceDescription(string Name, string Title, string Summary, IReadOnlyList<ProblemType> OwnProblems)
{
    /// <summary>One sentence for each tag of its operations.</summary>
    public IReadOnlyDictionary<string, string> Sections { get; init; } = new Dictionary<string, string>();

    public IEnumerable<ProblemType> AllProblems => Problems.Shared.Concat(OwnProblems);
}
