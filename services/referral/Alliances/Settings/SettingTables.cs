using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Alliances.Sheets;
using ReferralService.Deadlines;
using ReferralService.Matching;

namespace ReferralService.Alliances.Settings;

/// <summary>Reads settings, timers and calendars into the snapshot.</summary>
internal static class SettingTables
{
    private sealed record TimerRow(Guid Id, string? Alliance, string Timer, string? Priority, string? Kind, string? Profile, DateTimeOffset Since, string Ladder);

    private sealed record SettingRow(
        string Alliance, string? Institution, string? Profile, DateTimeOffset Since, bool? InternalReview, bool? LeadSignsOutOfRegion, bool? VillageClinicsSubmit);

    private sealed record SwitchRow(string Alliance, string Profile, DateTimeOffset Since);

    public static async Task<IReadOnlyList<TimerSetting>> Timers(NpgsqlConnection connection) =>
    [
        .. (await connection.QueryAsync<TimerRow>("select id, alliance, timer, priority, kind, profile, since, ladder from timer_setting"))
            .Select(row => JsonSerializer.Deserialize<LadderForm>(row.Ladder, ServiceDefaults.Json.Lenient)!.For(row.Timer) with
            {
                Id = row.Id.ToString(), Alliance = row.Alliance, From = row.Since,
                Priority = row.Priority is null ? null : Enum.Parse<Priority>(row.Priority),
                Kind = row.Kind is null ? null : Enum.Parse<ReferralKind>(row.Kind),
                Profile = row.Profile is null ? null : Enum.Parse<Profile>(row.Profile),
            }),
    ];

    public static async Task<SettingBook> Settings(NpgsqlConnection connection) => new(
        (await connection.QueryAsync<SwitchRow>("select alliance, profile, since from profile_switch"))
            .Select(row => new ProfileSwitch(row.Alliance, Enum.Parse<Profile>(row.Profile), row.Since)).ToArray(),
        (await connection.QueryAsync<SettingRow>("""
            select alliance, institution, profile, since, internal_review, lead_signs_out_of_region, village_clinics_submit from alliance_setting
            """)).Select(row => new AllianceSetting(row.Alliance, row.Institution, row.Profile is null ? null : Enum.Parse<Profile>(row.Profile),
                row.Since, row.InternalReview, row.LeadSignsOutOfRegion, row.VillageClinicsSubmit)).ToArray());

    public static async Task<MatchWeightBook> MatchWeights(NpgsqlConnection connection) => new(
        (await connection.QueryAsync<(string Alliance, DateTimeOffset Since, string Weights)>("select alliance, since, weights::text from match_setting"))
            .Select(row => new MatchSetting(row.Alliance, row.Since, JsonSerializer.Deserialize<Dictionary<string, int>>(row.Weights)!)).ToArray());

    public static async Task<IReadOnlyDictionary<string, WorkingTime>> Calendars(NpgsqlConnection connection)
    {
        var days = (await connection.QueryAsync<CalendarDayEntry>(CalendarDayEntry.Sheet.Select)).ToLookup(d => d.Calendar);
        return (await connection.QueryAsync<CalendarEntry>(CalendarEntry.Sheet.Select)).ToDictionary(c => c.Id!, c => c.With(days[c.Id]));
    }
}
