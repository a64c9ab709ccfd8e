using Dapper;
using Npgsql;
using ReferralService.Alliances;

namespace ReferralService.Referrals;

/// <summary>
/// When an illness becomes sensitive, what was written of it before becomes so as well, with what followed from it.
/// An entry that ends takes nothing away. What was left open by a pass that died, by a move that read its parent just
/// before, or by a version that did not look at departments is met by a later pass.
/// </summary>
internal sealed class MarkSensitive(NpgsqlDataSource database, AllianceDirectory directory, TimeProvider clock, ILogger<MarkSensitive> log) : BackgroundService
{
    // a pass looks at every referral once, in slices along the primary key: no index of its own, and no long statement
    private const int SliceSize = 1000;
    private const long Lock = 0x5EFE_44A6;
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Again = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        var (known, version, since) = ((IReadOnlySet<string>)new HashSet<string>(), -1L, DateTimeOffset.MinValue);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            var (alliance, now) = (directory.Current, clock.GetUtcNow());
            var old = now - since >= Again;
            // entries begin with a day, too
            if (!old && alliance.Version == version && ChinaTime.DayOf(now) == ChinaTime.DayOf(since))
                continue;
            try
            {
                // most changes of the directory are about something else
                var sensitive = alliance.SensitiveOn(ChinaTime.DayOf(now));
                if (!old && sensitive.SetEquals(known))
                    version = alliance.Version;
                else if (await Pass(stoppingToken) is not null)
                    (known, version, since) = (sensitive, alliance.Version, now);
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
        await using var connection = await database.OpenConnectionAsync(ct);
        var marked = 0;
        // once more after each that found something: what follows may stand before what it follows from
        for (var found = -1; found != 0; marked += found)
            found = await Walk(connection, ct);
        if (marked > 0)
            log.LogInformation("{Marked} referrals became sensitive", marked);
        return marked;
    }

    private sealed record Slice
    {
        public Guid? UpTo { get; init; }
        public string[] Codes { get; init; } = [];
        public bool Others { get; init; }
    }

    private async Task<int> Walk(NpgsqlConnection connection, CancellationToken ct)
    {
        var (alliance, now, marked) = (directory.Current, clock.GetUtcNow(), 0);
        for (Guid? after = Guid.Empty; after is not null;)
        {
            ct.ThrowIfCancellationRequested();
            var slice = await connection.QuerySingleAsync<Slice>(Look, new { after, SliceSize, Sensitivity.Telling });
            var codes = slice.Codes.Where(code => alliance.IsSensitive(code, ChinaTime.DayOf(now))).ToArray();
            if (codes.Length > 0 || slice.Others)
                marked += await connection.ExecuteAsync(Mark, new { after, slice.UpTo, codes, Sensitivity.Telling, now });
            after = slice.UpTo;
        }
        return marked;
    }

    // what follows from a sensitive referral is sensitive, whatever its own code says
    private const string WithoutItsCode =
        $"({Sensitivity.RowGivesAway} or exists (select from referral parent where parent.id = r.parent_id and parent.sensitive))";

    private const string Look = $"""
        with slice as materialized (
            select id, diagnosis_code, department, patient_class, parent_id, sensitive from referral where id > @after order by id limit @SliceSize
        )
        select (select id from slice order by id desc limit 1) as up_to,
               array(select distinct diagnosis_code from slice where not sensitive and diagnosis_code is not null) as codes,
               exists (select from slice r where not sensitive and {WithoutItsCode}) as others
        """;

    private const string Mark = $"""
        update referral set sensitive = true, changed_at = @now
        where id in (
            select id from referral r
            where id > @after and id <= @UpTo and not sensitive and (diagnosis_code = any(@codes) or {WithoutItsCode})
            order by id for update)
        """;
}
