namespace ReferralService.Privacy;

/// <summary>What is done for a patient's privacy: shown with a purpose, opened with a reason, and a patient's own rights.</summary>
internal static class PrivacyRoutes
{
    public const string Section = "Showing what is masked, for a purpose or a reason, and a patient's rights.";

    public static void AddPrivacy(this IServiceCollection services)
    {
        services.AddSingleton<Openings>();
        services.AddSingleton<RevealDesk>();
        services.AddSingleton<BreakGlassDesk>();
        services.AddSingleton<BrokenGlassReport>();
        services.AddSingleton<PatientRights>();
        services.AddSingleton<ExportPatient>();
    }

    public static void MapPrivacy(this IEndpointRouteBuilder routes)
    {
        // a retention shorter than the law's is refused at start
        PatientRights.KeepYears(routes.ServiceProvider.GetRequiredService<IConfiguration>());
        RevealDesk.Map(routes);
        BreakGlassDesk.Map(routes);
        BrokenGlassReport.Map(routes);
        PatientRights.Map(routes);
        ExportPatient.Map(routes);
    }
}
