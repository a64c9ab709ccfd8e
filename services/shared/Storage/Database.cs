using System.Data;
using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace ServiceDefaults.Storage;

/// <summary>The service's own PostgreSQL database.</summary>
public static class Database
{
    /// <summary>Registers one <see cref="NpgsqlDataSource"/> for <c>ConnectionStrings:Database</c>.</summary>
    public static void AddDatabase(this WebApplicationBuilder builder)
    {
        DapperTypes.Register();
        var settings = Settings(builder.Configuration, "Database");
        builder.Services.AddSingleton(_ => Open(settings.ConnectionString));
    }

    /// <summary>A data source with the settings our measurements chose (deploy/performance.md).</summary>
    public static NpgsqlDataSource Open(string connectionString)
    {
        DapperTypes.Register();
        var builder = new NpgsqlSlimDataSourceBuilder(connectionString);
        builder.EnableArrays();
        builder.EnableRanges();
        builder.EnableJsonTypes();
        builder.EnableTransportSecurity();
        return builder.Build();
    }

    // Our statements are written so that one plan serves all values; planning anew cost as much as running them. And a
    // plan made while a table was empty must serve when a million rows wait in it: always along the index, whatever the
    // statistics saw last.
    private const string Plans = "-c plan_cache_mode=force_generic_plan -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";

    /// <summary>
    /// For the rest of the transaction plans are made for the very values and from the statistics, with memory to sort
    /// in: what a report over a year needs, which reads most of a table.
    /// </summary>
    public static async Task PlanForReport(this NpgsqlTransaction transaction, CancellationToken ct = default)
    {
        await using var command = new NpgsqlCommand("""
            set local plan_cache_mode = force_custom_plan; set local enable_seqscan = on; set local enable_hashjoin = on;
            set local enable_mergejoin = on; set local work_mem = '64MB'
            """, transaction.Connection, transaction);
        await command.ExecuteNonQueryAsync(ct);
    }

    internal static NpgsqlConnectionStringBuilder Settings(IConfiguration configuration, string name)
    {
        var text = configuration.GetConnectionString(name)
            ?? throw new InvalidOperationException($"ConnectionStrings:{name} is missing: the service's PostgreSQL database.");
        var settings = new NpgsqlConnectionStringBuilder(text)
        {
            MaxAutoPrepare = 128,
            AutoPrepareMinUsages = 2,
            // every statement of ours carries its own settings, none lives on in the session
            NoResetOnClose = true,
        };
        // as many as the cores keep busy, which wait for the disk now and then; each more costs its start and the plans of its
        // statements, and a crowd that opens them all pays at once
        if (!text.Contains("Pool Size", StringComparison.OrdinalIgnoreCase))
            settings.MaxPoolSize = Math.Clamp(4 * Environment.ProcessorCount, 12, 48);
        settings.Options = string.Join(' ', settings.Options, Plans).Trim();
        if (!text.Contains("Timeout", StringComparison.OrdinalIgnoreCase))
        {
            settings.Timeout = 5;
            settings.CommandTimeout = 15;
        }
        return settings;
    }
}

/// <summary>How Dapper reads and writes the types our rows use.</summary>
public static class DapperTypes
{
    private static int _registered;

    public static void Register()
    {
        if (Interlocked.Exchange(ref _registered, 1) == 1)
            return;
        DefaultTypeMap.MatchNamesWithUnderscores = true;
        SqlMapper.RemoveTypeMap(typeof(DateTimeOffset));
        SqlMapper.RemoveTypeMap(typeof(DateTimeOffset?));
        SqlMapper.RemoveTypeMap(typeof(DateOnly));
        SqlMapper.RemoveTypeMap(typeof(DateOnly?));
        SqlMapper.AddTypeHandler(new Times());
        SqlMapper.AddTypeHandler(new Days());
        SqlMapper.AddTypeHandler(new Texts());
    }

    private sealed class Times : SqlMapper.TypeHandler<DateTimeOffset>
    {
        public override DateTimeOffset Parse(object value) => new((DateTime)value, TimeSpan.Zero);

        public override void SetValue(IDbDataParameter parameter, DateTimeOffset value) => parameter.Value = value.UtcDateTime;
    }

    private sealed class Days : SqlMapper.TypeHandler<DateOnly>
    {
        public override DateOnly Parse(object value) => value is DateOnly day ? day : DateOnly.FromDateTime((DateTime)value);

        public override void SetValue(IDbDataParameter parameter, DateOnly value) => parameter.Value = value;
    }

    private sealed class Texts : SqlMapper.TypeHandler<string[]>
    {
        public override string[] Parse(object value) => (string[])value;

        public override void SetValue(IDbDataParameter parameter, string[]? value) => parameter.Value = (object?)value ?? DBNull.Value;
    }
}
