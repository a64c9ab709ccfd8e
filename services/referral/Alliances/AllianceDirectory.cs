using Dapper;
using Npgsql;
using ReferralService.Alliances.Settings;
using ReferralService.Rules;

namespace ReferralService.Alliances;

/// <summary>Keeps the newest <see cref="AllianceSnapshot"/>; a change made by any instance is seen within a second.</summary>
internal sealed class AllianceDirectory(NpgsqlDataSource database, ILogger<AllianceDirectory> log) : BackgroundService
{
    private volatile AllianceSnapshot _current = AllianceSnapshot.Empty;

    public AllianceSnapshot Current => _current;

    /// <summary>Reads the tables if they changed since the last time.</summary>
    public async Task Refresh(CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        var version = await connection.ExecuteScalarAsync<long>("select number from directory_version");
        if (version == _current.Version)
            return;
        // one snapshot of the tables, not eight moments
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        _current = new(
            await connection.ExecuteScalarAsync<long>("select number from directory_version"),
            await connection.QueryAsync<Institution>("select code, name, level, type, ownership, region, grid, latitude, longitude, parent, services, phone, synthetic from institution"),
            await connection.QueryAsync<Department>("select institution, code, name, bookable from department"),
            await connection.QueryAsync<Clinician>("select id, institution, department, name, title from clinician"),
            await connection.QueryAsync<Alliance>("select id, name, form, tightness, lead from alliance"),
            await connection.QueryAsync<Membership>("select alliance, institution, since, until from membership"),
            await connection.QueryAsync<StandingAgreement>("select sender, receiver, green_channel, since, until from standing_agreement"),
            await connection.QueryAsync<ReasonCode>("select list, code, side, text_required, name_zh, name_en, roles, since, until from reason_code"),
            await connection.QueryAsync<string>("select distinct diagnosis_group from diagnosis where sensitive"))
        {
            Timers = new(await SettingTables.Timers(connection)),
            Settings = await SettingTables.Settings(connection),
            MatchWeights = await SettingTables.MatchWeights(connection),
            Calendars = await SettingTables.Calendars(connection),
            Grids = (await connection.QueryAsync<Grid>("select code, name, region, alliance, institution, target from grid")).ToDictionary(g => g.Code),
            Rules = await RuleTables.Read(connection),
        };
    }

    public override async Task StartAsync(CancellationToken ct)
    {
        try
        {
            await Refresh(ct);
        }
        catch (Exception e) when (e is NpgsqlException or TimeoutException)
        {
            log.LogWarning("The directory waits for the database: {Fault}", e.GetType().Name);
        }
        await base.StartAsync(ct);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromSeconds(1));
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                await Refresh(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                log.LogWarning("The directory could not be read: {Fault}", e.GetType().Name);
            }
        }
    }
}
