using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace ServiceDefaults.Auditing;

/// <summary>
/// Seals the audit into the hash chain, each second, one sealer at a time whatever the number of instances. A row is
/// sealed when no transaction older than its own can still commit: one that commits late is not skipped.
/// </summary>
public sealed class AuditSealer(
    NpgsqlDataSource database, AuditChain chain, TimeProvider clock, IConfiguration configuration, ILogger<AuditSealer> log) : BackgroundService
{
    private const long Lock = 0x5EFE_44A3;
    private const int BatchSize = 5000;
    private readonly TimeSpan _every = configuration.GetValue("Audit:SealEvery", TimeSpan.FromSeconds(1));

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await Seal(stoppingToken) >= BatchSize)
                {
                }
                failures = 0;
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("The audit is written but not sealed ({Failures} tries): {Reason} {SqlState}",
                        failures, e.GetType().Name, (e as PostgresException)?.SqlState);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            await Task.Delay(_every, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private sealed record Window
    {
        public long Xmin { get; init; }
    }

    /// <summary>Adds one link with all rows that are ripe, at most a batch; says how many.</summary>
    public async Task<int> Seal(CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // a statement of its own: the next one sees every link that was committed before we held the lock
        if (!await connection.ExecuteScalarAsync<bool>("select pg_try_advisory_xact_lock(@Lock)", new { Lock }, transaction))
            return 0;
        var last = await connection.QuerySingleOrDefaultAsync<AuditSeal>("""
            select number, hash, upto, after_id from audit_seal order by number desc limit 1
            """, transaction: transaction);
        var (xmin, rows) = await Ripe(connection, transaction, """
            a.tx >= @upto and a.tx < w.xmin and a.id > @afterId
            """, last);
        var (upto, afterId) = (xmin, last?.AfterId ?? 0);
        if (last is not null && xmin < last.Upto)
        {
            // restored into another server: transaction numbers began anew, so what is unsealed is found by its id
            (xmin, rows) = await Ripe(connection, transaction, """
                not exists (select from audit_seal s where a.id = any(s.ids))
                """, last);
            upto = xmin;
            afterId = await connection.ExecuteScalarAsync<long>("select coalesce(max(id), 0) from audit", transaction: transaction);
        }
        else if (rows.Count >= BatchSize)
            upto = rows[^1].Tx + 1;
        if (rows.Count == 0)
            return 0;
        // the key of the table is the second fence: two links cannot have one number
        await connection.ExecuteAsync("""
            insert into audit_seal (number, sealed_at, ids, digests, previous, hash, mac, key_id, upto, after_id)
            values (@Number, @SealedAt, @Ids, @Digests, @Previous, @Hash, @Mac, @KeyId, @Upto, @AfterId)
            """, chain.Link(last, rows, Whole(clock.GetUtcNow()), upto, afterId), transaction);
        await transaction.CommitAsync(ct);
        return rows.Count;
    }

    private static async Task<(long Xmin, IReadOnlyList<AuditRow> Rows)> Ripe(
        NpgsqlConnection connection, NpgsqlTransaction transaction, string condition, AuditSeal? last)
    {
        var xmin = 0L;
        // one statement, so that bound and rows belong to one snapshot
        var rows = await connection.QueryAsync<Window, AuditRow?, AuditRow?>($"""
            with w as materialized (select pg_snapshot_xmin(pg_current_snapshot())::text::bigint as xmin)
            select w.xmin, a.*
            from w left join lateral (
                select {AuditRow.Columns} from audit a
                where {condition}
                order by tx, id fetch first {BatchSize} rows with ties) a on true
            order by a.tx, a.id
            """, (window, row) =>
        {
            xmin = window.Xmin;
            return row;
        }, new { upto = last?.Upto ?? 0, afterId = last?.AfterId ?? 0 }, transaction, splitOn: "id");
        return (xmin, [.. rows.Where(r => r is not null)!]);
    }

    // PostgreSQL keeps microseconds: the hash must be of what it keeps
    private static DateTimeOffset Whole(DateTimeOffset time) => time.AddTicks(-(time.UtcTicks % TimeSpan.TicksPerMicrosecond));
}

/// <summary>Registers chain, sealer and verifier.</summary>
public static class AuditRegistration
{
    /// <param name="builder">The service.</param>
    /// <param name="concerns">See <see cref="AuditScope"/>.</param>
    public static void AddAudit(this WebApplicationBuilder builder, string concerns)
    {
        AuditVerbs.KeepDays(builder.Configuration);
        builder.Services.AddSingleton(new AuditScope(concerns));
        builder.Services.AddSingleton<AuditChain>();
        builder.Services.AddSingleton<AuditVerifier>();
        builder.Services.AddSingleton<AuditSealer>();
        builder.Services.AddHostedService(s => s.GetRequiredService<AuditSealer>());
    }
}
