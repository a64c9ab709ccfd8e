using Dapper;
using Npgsql;
using ReferralService.Alliances;

namespace ReferralService.Referrals;

/// <summary>
/// When an illness becomes sensitive, what was written of it before becomes so as well, with what followed from it.
/// An entry that ends takes nothing away.
/// </summary>
internal sealed class MarkSensitive(NpgsqlDataSource database, AllianceDirectory directory, TimeProvider clock, ILogger<MarkSensitive> log) : BackgroundService
{
    private const int BatchSize = 1000;
    private const long Lock = 0x5EFE_44A6;
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    // what a move that read the row earlier wrote beside a marking is met again
    private static readonly TimeSpan Again = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        var (version, since) = (-1L, DateTimeOffset.MinValue);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var (current, now) = (directory.Current.Version, clock.GetUtcNow());
            // entries begin with a day, too
            if (current == version && now - since < Again && ChinaTime.DayOf(now) == ChinaTime.DayOf(since))
                continue;
            try
            {
                if (await Pass(stoppingToken) is not null)
                    (version, since) = (current, now);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("What became sensitive waits to be marked: {Fault} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
            }
        }
    }

    /// <summary>Marks what is to be marked and says how many; null when another instance is at it.</summary>
    public async Task<int?> Pass(CancellationToken ct = default)
    {
        await using var guard = await database.OpenConnectionAsync(ct);
        await using var transaction = await guard.BeginTransactionAsync(ct);
        if (!await guard.ExecuteScalarAsync<bool>("select pg_try_advisory_xact_lock(@Lock)", new { Lock }, transaction))
            return null;
        var (alliance, now) = (directory.Current, clock.GetUtcNow());
        await using var connection = await database.OpenConnectionAsync(ct);
        var codes = (await connection.QueryAsync<string>(OpenCodes)).Where(code => alliance.IsSensitive(code, ChinaTime.DayOf(now))).ToArray();
        var marked = 0;
        if (codes.Length == 0)
            return marked;
        for (var batch = await Mark(); batch.Length > 0; batch = await Mark())
        {
            marked += batch.Length;
            // what follows from a sensitive referral is sensitive, whatever its own code says
            for (var followed = batch; followed.Length > 0; marked += followed.Length)
                followed = [.. await connection.QueryAsync<Guid>("""
                    update referral set sensitive = true, changed_at = @now where parent_id = any(@followed) and not sensitive returning id
                    """, new { now, followed })];
        }
        if (marked > 0)
            log.LogInformation("{Marked} referrals became sensitive", marked);
        return marked;

        async Task<Guid[]> Mark() => [.. await connection.QueryAsync<Guid>("""
            update referral set sensitive = true, changed_at = @now
            where id in (select id from referral where not sensitive and diagnosis_code = any(@codes) limit @BatchSize) returning id
            """, new { now, codes, BatchSize })];
    }

    // each code once: from one to the next of the index, past all rows that have the same
    private const string OpenCodes = """
        with recursive code as (
            (select diagnosis_code as it from referral where not sensitive and diagnosis_code is not null order by 1 limit 1)
            union all
            select (select diagnosis_code from referral where not sensitive and diagnosis_code > code.it order by 1 limit 1) from code where code.it is not null
        )
        select it from code where it is not null
        """;
}
