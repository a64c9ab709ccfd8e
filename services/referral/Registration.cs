using ReferralService.Alliances;
using ReferralService.Deadlines;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Reading;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Telemetry;

namespace ReferralService;

/// <summary>The parts of this service; all of them are stateless and live as long as the process.</summary>
internal static class Registration
{
    public static void AddReferrals(this WebApplicationBuilder builder)
    {
        var services = builder.Services;
        services.AddSingleton<PatientKeys>();
        services.AddSingleton<RotateKeys>();
        services.AddSingleton<AllianceDirectory>();
        services.AddHostedService(s => s.GetRequiredService<AllianceDirectory>());
        services.AddSingleton<ImportAlliance>();
        services.AddSingleton<ImportRules>();
        services.AddSingleton<Once>();

        services.AddSingleton<ReferralStateMachine>();
        services.AddSingleton<MoveIndex>();
        services.AddSingleton<MoveDriver>();
        services.AddSingleton<MoveRunner>();
        services.AddSingleton<ReferralStore>();
        services.AddSingleton<Access>();
        services.AddSingleton<Actions>();
        services.AddSingleton<MoveDesk>();
        services.AddSingleton<DeadlineSweeper>();
        services.AddHostedService(s => s.GetRequiredService<DeadlineSweeper>());
        services.AddSingleton(new StoredGauge("referral_deadlines_late", "Deadlines that passed more than five seconds ago, counted up to 100000.",
            "select count(*)::float8 from (select from referral where next_deadline_at < now() - interval '5 seconds' limit 100000) late"));

        services.AddSingleton<IntakeDesk>();
        services.AddSingleton<ReferralNumbers>();
        services.AddSingleton<CreateReferral>();
        services.AddSingleton<SlipReader>();
        services.AddSingleton<GetReferral>();
        services.AddSingleton<ListReferrals>();
        services.AddSingleton<GetTimeline>();
        services.AddSingleton<GetEpisode>();
        services.AddSingleton<PrintSlip>();
    }

    /// <summary>Runs <c>import FOLDER</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunImport(this WebApplication app, string[] args)
    {
        if (args is not ["import", var folder])
            return false;
        var rows = await app.Services.GetRequiredService<ImportAlliance>().Run(folder);
        var packs = await app.Services.GetRequiredService<ImportRules>().Run(Path.Combine(folder, "rules"));
        Console.WriteLine($"{rows} rows and {packs} new rule packs of {Path.GetFullPath(folder)} are loaded.");
        return true;
    }
}
