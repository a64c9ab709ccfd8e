using System.Text;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace ServiceDefaults.Telemetry;

/// <summary>A figure that stands in the database, asked for when somebody scrapes.</summary>
/// <param name="Name">Of the gauge; ends with its unit.</param>
/// <param name="Sql">Returns one number, and returns it fast at any size of the table.</param>
public sealed record StoredGauge(string Name, string Help, string Sql);

/// <summary><c>GET /metrics</c>: Prometheus text for the one who operates the service. A proxy keeps it inside.</summary>
public static class Scrape
{
    /// <summary>Messages that wait for the broker, counted up to a hundred thousand, and how long the first has waited.</summary>
    public static readonly StoredGauge[] OfOutbox =
    [
        new("outbox_messages", "Events that wait for the broker, counted up to 100000.", "select count(*)::float8 from (select from outbox limit 100000) o"),
        new("outbox_oldest_seconds", "How long the first of them has waited.",
            "select coalesce(extract(epoch from now() - (select created_at from outbox order by id limit 1)), 0)::float8"),
    ];

    public static void AddMetrics(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<Metrics>();
        foreach (var gauge in OfOutbox)
            builder.Services.AddSingleton(gauge);
    }

    public static void MapMetrics(this WebApplication app)
    {
        // from now on it listens
        app.Services.GetRequiredService<Metrics>();
        app.MapGet("/metrics", async (HttpContext http, Metrics metrics, NpgsqlDataSource database, IEnumerable<StoredGauge> gauges) =>
        {
            var text = new StringBuilder(metrics.Write());
            await WriteStored(text, database, gauges, http.RequestAborted);
            http.Response.Headers.CacheControl = "no-store";
            return Results.Text(text.ToString(), "text/plain; version=0.0.4; charset=utf-8");
        }).AllowAnonymous().ExcludeFromDescription();
    }

    // a database that is away is a figure too: the scrape itself never fails
    private static async Task WriteStored(StringBuilder text, NpgsqlDataSource database, IEnumerable<StoredGauge> gauges, CancellationToken ct)
    {
        var up = true;
        try
        {
            await using var connection = await database.OpenConnectionAsync(ct);
            foreach (var gauge in gauges)
                text.Append($"# HELP {gauge.Name} {gauge.Help}\n# TYPE {gauge.Name} gauge\n{gauge.Name} {Metrics.Number(await connection.ExecuteScalarAsync<double>(gauge.Sql))}\n");
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            up = false;
        }
        text.Append($"# HELP database_up Whether the service's database answers.\n# TYPE database_up gauge\ndatabase_up {(up ? 1 : 0)}\n");
    }
}
