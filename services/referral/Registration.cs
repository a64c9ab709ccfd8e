using ReferralService.Accountability;
using ReferralService.Alliances;
using ReferralService.Alliances.Http;
using ReferralService.Alliances.Import;
using ReferralService.Alliances.Sheets;
using ReferralService.Certificates;
using ReferralService.Clients;
using ReferralService.Deadlines;
using ReferralService.Indicators;
using ReferralService.Matching;
using ReferralService.Patients;
using ReferralService.Privacy;
using ReferralService.Referrals;
using ReferralService.Referrals.Attachments;
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
        services.AddSingleton<SheetIndex>();
        services.AddSingleton<ImportAlliance>();
        services.AddSingleton<DirectoryDesk>();
        services.AddSingleton<Alliances.FamilyDoctor.ContractRoutes>();
        services.AddSingleton<Alliances.Formulary.DrugGaps>();
        services.AddSingleton<ImportRules>();
        services.AddSingleton<Once>();
        services.AddSingleton<GetReport>();
        services.AddSingleton<AttachmentScanner>();
        services.AddHostedService(s => s.GetRequiredService<AttachmentScanner>());
        services.AddSingleton<UploadAttachment>();
        services.AddSingleton<ReadAttachments>();
        services.AddSingleton<MatchOffers>();
        services.AddSingleton<MatchDesk>();
        services.AddSingleton<MatchRoutes>();

        services.AddSingleton<ReferralStateMachine>();
        services.AddSingleton<MoveIndex>();
        services.AddSingleton<MoveDriver>();
        services.AddSingleton<MoveRunner>();
        services.AddSingleton<ReferralStore>();
        services.AddSingleton<Wall>();
        services.AddSingleton<Access>();
        services.AddSingleton<Actions>();
        services.AddSingleton<MoveDesk>();
        services.AddSingleton<DeadlineSweeper>();
        services.AddHostedService(s => s.GetRequiredService<DeadlineSweeper>());
        services.AddSingleton(new StoredGauge("referral_deadlines_late", "Deadlines that passed more than five seconds ago, counted up to 100000.",
            "select count(*)::float8 from (select from referral where next_deadline_at < now() - interval '5 seconds' limit 100000) late"));

        services.AddSingleton<Notices.NoticeKey>();

        services.AddSingleton<IntakeDesk>();
        services.AddSingleton<ReferralNumbers>();
        services.AddSingleton<CreateReferral>();
        services.AddSingleton<RequestReferral>();
        services.AddSingleton<SlipReader>();
        services.AddSingleton<GetReferral>();
        services.AddSingleton<ListReferrals>();
        services.AddSingleton<GetTimeline>();
        services.AddSingleton<GetEpisode>();
        services.AddSingleton<PrintSlip>();
        services.AddSingleton<MarkSensitive>();
        services.AddHostedService(s => s.GetRequiredService<MarkSensitive>());
        services.AddPrivacy();

        services.AddSingleton(IndicatorSettings.From(builder.Configuration));
        services.AddSingleton<MeasureReferrals>();
        services.AddHostedService(s => s.GetRequiredService<MeasureReferrals>());
        services.AddSingleton<CountMeasures>();
        services.AddSingleton<Reach>();
        services.AddSingleton<GetIndicators>();
        services.AddSingleton<Scheme>();
        services.AddSingleton<GetScore>();
        services.AddSingleton<OpenExport>();
        services.AddSingleton<CertificateKeys>();
        services.AddSingleton<GetCertificate>();
        builder.AddClients();
        services.AddSingleton<DownLedger>();
        services.AddSingleton<GetRefusals>();
        services.AddSingleton<GetDownGap>();
        services.AddSingleton<HandleComplaints>();
    }

    /// <summary>Runs <c>import FOLDER</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunImport(this WebApplication app, string[] args)
    {
        if (args is not ["import", var folder, ..] || args[2..] is not ([] or ["--good"] or ["--check"]))
            return false;
        var store = args[2..] switch { ["--good"] => Store.Good, ["--check"] => Store.Nothing, _ => Store.All };
        var report = await app.Services.GetRequiredService<ImportAlliance>().Run(folder, store);
        var packs = report.Stored ? await app.Services.GetRequiredService<ImportRules>().Run(Path.Combine(folder, "rules")) : 0;
        foreach (var bad in report.Bad)
            Console.Error.WriteLine($"{bad.File} line {bad.Line}{(bad.Column.Length > 0 ? ", " + bad.Column : "")}: {bad.Reason.En}");
        Console.WriteLine($"{report.Lines} lines of {Path.GetFullPath(folder)}: {report.Lines - report.BadLines} good, {report.Changed} new or changed, {report.BadLines} bad; "
            + (report.Stored ? $"stored, with {packs} new rule packs." : "nothing was stored."));
        Environment.ExitCode = report.BadLines > 0 && store != Store.Good ? 1 : 0;
        return true;
    }

    /// <summary>Figures, certificates and complaints: what is told about referrals, and moves none.</summary>
    public static void MapReports(this IEndpointRouteBuilder routes)
    {
        GetIndicators.Map(routes);
        GetScore.Map(routes);
        OpenExport.Map(routes);
        GetCertificate.Map(routes);
        ClientRoutes.Map(routes);
        GetRefusals.Map(routes);
        GetDownGap.Map(routes);
        DownLedger.Map(routes);
        HandleComplaints.Map(routes);
    }

    /// <summary>Runs <c>rotate-certificate-key</c> or <c>rotate-token-key [--now]</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunSigningKeys(this WebApplication app, string[] args)
    {
        var atOnce = args is ["rotate-token-key", "--now"];
        if (!atOnce && args is not ["rotate-certificate-key" or "rotate-token-key"])
            return false;
        var kid = args[0] == "rotate-token-key"
            ? await app.Services.GetRequiredService<TokenKeys>().Rotate(IssueToken.Lifetime + SigningKeys.Announced, atOnce)
            : await app.Services.GetRequiredService<CertificateKeys>().Rotate(Certificates.Certificates.LongestSignature);
        Console.WriteLine(atOnce ? $"Key {kid} signs from now on; what the others signed counts no more."
            : $"Key {kid} is published and signs in {SigningKeys.Announced.TotalMinutes:0} minutes.");
        return true;
    }
}
