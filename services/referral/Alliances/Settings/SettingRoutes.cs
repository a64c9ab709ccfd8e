using Dapper;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances.Http;
using ReferralService.Alliances.Import;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Settings;

/// <summary>A new version of what an alliance sets for its members, or one of them for itself; null is inherited.</summary>
internal sealed record SettingForm : ICommand
{
    public string? Alliance { get; init; }
    public string? Institution { get; init; }
    /// <summary>In this profile only; in both when absent.</summary>
    public Profile? Profile { get; init; }
    /// <summary>Now when absent; never earlier.</summary>
    public DateTimeOffset? From { get; init; }
    public bool? InternalReview { get; init; }
    public bool? LeadSignsOutOfRegion { get; init; }
    public bool? VillageClinicsSubmit { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Alliance, "/alliance", 40);
        checks.Text(Institution, "/institution", 18, required: false);
        checks.Time(From, "/from");
        checks.That(InternalReview is not null || LeadSignsOutOfRegion is not null || VillageClinicsSubmit is not null, "/internalReview", "Set something.", "至少设置一项。");
    }
}

/// <summary>From now on the alliance lives by this profile.</summary>
internal sealed record SwitchProfile(Profile? Profile, DateTimeOffset? From, string? Reason) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Profile, "/profile");
        checks.Time(From, "/from");
        checks.Text(Reason, "/reason", 500);
    }
}

/// <summary>Settings over HTTP: what holds for an institution, and new versions from now on.</summary>
internal static class SettingRoutes
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        var effective = new EffectiveSettings("al-county", Profile.PEACETIME, true, true, false);
        routes.MapGet("/v1/settings", ([FromQuery] string? institution, [FromQuery] DateTimeOffset? at, HttpContext http, DirectoryDesk desk) => Effective(http, desk, institution, at))
            .Describe("getSettings", "Settings", "What holds for an institution at a moment: its own, its alliance's, or the default.")
            .Produces<EffectiveSettings>().Refuses(400, 403, 404).Example(null, effective);
        routes.MapPost("/v1/settings", (HttpContext http, DirectoryDesk desk, Access access) => Publish(http, desk, access))
            .Describe("publishSettings", "Settings", "Set what members inherit, or where one of them differs, from now on or later.")
            .Accepts<SettingForm>("application/json").Produces<EffectiveSettings>(201).RefusesLikeACommand()
            .Example(new SettingForm { Alliance = "al-county", InternalReview = true }, effective);
        routes.MapPost("/v1/alliances/{id}/profile", (string id, HttpContext http, DirectoryDesk desk, Access access) => Switch(http, DirectoryDesk.Storable(id), desk, access))
            .Describe("switchProfile", "Settings", "Switch an alliance between PEACETIME and SURGE, with a reason; audited.")
            .Accepts<SwitchProfile>("application/json").Produces<ProfileSwitch>(201).RefusesLikeACommand()
            .Example(new SwitchProfile(Profile.SURGE, null, "突发公共卫生事件应急响应"), new ProfileSwitch("al-county", Profile.SURGE, new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero)));
    }

    private static IResult Effective(HttpContext http, DirectoryDesk desk, string? institution, DateTimeOffset? at)
    {
        var (caller, refused) = desk.Reader(http);
        if (caller is null)
            return refused!;
        var code = institution ?? caller.Institution;
        return desk.Alliance.Find(code)?.Code == code ? TypedResults.Ok(desk.Alliance.SettingsOf(code, at ?? desk.Now)) : new ProblemResult(Problems.NotFound);
    }

    private static async Task<IResult> Publish(HttpContext http, DirectoryDesk desk, Access access)
    {
        var (caller, form, key, refused) = await Once.Read<SettingForm>(http);
        if (refused is not null)
            return refused;
        if (!await May(caller!, form!.Alliance!, "publish-settings", desk, access))
            return new ProblemResult(Problems.Forbidden);
        return await desk.Once<EffectiveSettings>(key!, async (connection, _) =>
        {
            var now = desk.Now;
            if (form.From < now)
                return (Problem)DirectoryProblems.NotYet;
            var from = form.From ?? now;
            await connection.ExecuteAsync("""
                insert into alliance_setting (id, alliance, institution, profile, since, internal_review, lead_signs_out_of_region, village_clinics_submit, written_by)
                values (@id, @Alliance, @Institution, @profile, @from, @InternalReview, @LeadSignsOutOfRegion, @VillageClinicsSubmit, @by)
                """, new
            {
                id = Guid.CreateVersion7(now), form.Alliance, form.Institution, profile = form.Profile?.ToString(), from, form.InternalReview,
                form.LeadSignsOutOfRegion, form.VillageClinicsSubmit, by = caller!.Scope,
            });
            await desk.Audit(connection, caller, "publish-settings", $"{form.Alliance} {form.Institution ?? "*"}");
            await ImportAlliance.Changed(connection);
            var book = await SettingTables.Settings(connection);
            return new Reply<EffectiveSettings>(book.Of(form.Institution ?? "", form.Alliance, from), null, 201);
        });
    }

    private static async Task<IResult> Switch(HttpContext http, string alliance, DirectoryDesk desk, Access access)
    {
        var (caller, form, key, refused) = await Once.Read<SwitchProfile>(http);
        if (refused is not null)
            return refused;
        if (desk.Alliance.LeadOf(alliance) is null)
        {
            await access.Denied(caller!, "switch-profile", null, alliance);
            return new ProblemResult(Problems.NotFound);
        }
        if (!await May(caller!, alliance, "switch-profile", desk, access))
            return new ProblemResult(Problems.Forbidden);
        return await desk.Once<ProfileSwitch>(key!, async (connection, _) =>
        {
            var now = desk.Now;
            if (form!.From < now)
                return (Problem)DirectoryProblems.NotYet;
            var since = form.From ?? now;
            await connection.ExecuteAsync("""
                insert into profile_switch (alliance, profile, since, reason, written_by) values (@alliance, @profile, @since, @Reason, @by)
                """, new { alliance, profile = form.Profile.ToString(), since, form.Reason, by = caller!.Scope });
            await desk.Audit(connection, caller, "switch-profile", $"{alliance} {form.Profile}");
            await ImportAlliance.Changed(connection);
            return new Reply<ProfileSwitch>(new(alliance, form.Profile!.Value, since), null, 201);
        });
    }

    /// <summary>The office of the alliance's lead hospital sets what holds in it; whoever else tries leaves a row.</summary>
    internal static async Task<bool> May(Caller caller, string alliance, string action, DirectoryDesk desk, Access access)
    {
        if (caller.Role == Role.Operator || caller.Role == Role.AllianceOffice && desk.Alliance.LeadOf(alliance) == caller.Institution)
            return true;
        await access.Denied(caller, action, null, alliance);
        return false;
    }
}
