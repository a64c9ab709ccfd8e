using System.Text.Json;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Alliances.Http;
using ReferralService.Alliances.Import;
using ReferralService.Alliances.Settings;
using ReferralService.Referrals;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Deadlines;

/// <summary>
/// A new version of a timer's ladder. What is absent of alliance, priority, kind and profile is matched by everything;
/// emergencies only by name, where their default is a matter of minutes.
/// </summary>
internal sealed record LadderForm : ICommand
{
    /// <summary>Minutes counted from the timer's start; every deadline has to be met by people.</summary>
    private const int Most = 366 * 24 * 60, MostSteps = 12;

    public string? Timer { get; init; }
    public string? Alliance { get; init; }
    public Priority? Priority { get; init; }
    public ReferralKind? Kind { get; init; }
    public Profile? Profile { get; init; }
    /// <summary>Now when absent; never earlier.</summary>
    public DateTimeOffset? From { get; init; }
    public IReadOnlyList<TimerStep>? Steps { get; init; }
    public int? UrgeEveryMinutes { get; init; }
    public string[]? UrgeTo { get; init; }
    public int? ActAfterMinutes { get; init; }
    public string? Calendar { get; init; }
    public TimerStart? StartsAt { get; init; }

    public void Check(Checks checks)
    {
        var known = Timers.All.FirstOrDefault(t => t.Name == Timer);
        checks.That(known is not null, "/timer", $"One of {string.Join(", ", Timers.All.Select(t => t.Name))}.", $"应为 {string.Join("、", Timers.All.Select(t => t.Name))} 之一。");
        checks.Text(Alliance, "/alliance", 40, required: false);
        checks.Text(Calendar, "/calendar", 40, required: false);
        checks.Time(From, "/from");
        checks.That(Steps is null || Steps.Count <= MostSteps && !Steps.Contains(null!), "/steps", $"At most {MostSteps}.", $"最多 {MostSteps} 级。");
        for (var i = 0; checks.Passed && i < (Steps?.Count ?? 0); i++)
        {
            var step = Steps![i];
            checks.That(step.AfterMinutes is >= -Most and <= Most && (Timer == "Reminder" || step.AfterMinutes >= 0), $"/steps/{i}/afterMinutes",
                "0 to a year; before its start only for Reminder.", "0 至一年；仅 Reminder 可为负数。");
            checks.That(i == 0 || step.AfterMinutes > Steps[i - 1].AfterMinutes, $"/steps/{i}/afterMinutes", "Later than the step before.", "须晚于前一级。");
            Reaches(step.To, $"/steps/{i}/to");
        }
        checks.That(UrgeEveryMinutes is null or (>= 5 and <= Most), "/urgeEveryMinutes", "5 minutes to a year.", "5 分钟至一年。");
        Reaches(UrgeTo, "/urgeTo");
        checks.That(ActAfterMinutes is null or (>= 1 and <= Most), "/actAfterMinutes", "1 minute to a year.", "1 分钟至一年。");
        checks.That(ActAfterMinutes is null || TimerDefaults.All.Any(s => s.Timer == Timer && s.ActAfterMinutes is not null), "/actAfterMinutes",
            "This timer moves nothing by itself.", "该时限不会自动变更状态。");
        checks.That(ActAfterMinutes is null || Steps is not [.., { } last] || ActAfterMinutes > last.AfterMinutes, "/actAfterMinutes", "After the last step.", "须晚于最后一级。");
        checks.That(Steps is { Count: > 0 } || ActAfterMinutes is not null, "/steps", "A step, or when it acts.", "至少一级提醒，或自动处理时间。");
        checks.That(StartsAt is null || known?.StartsAt is not null, "/startsAt", "Only Treatment counts from acceptance or arrival.", "仅 Treatment 可设置起算点。");
        // an emergency always has a living alarm until somebody answers
        checks.That(Timer != "GreenChannel" || Steps is [{ AfterMinutes: <= 60 }, ..] && UrgeEveryMinutes <= 240, "/steps",
            "The alarm of an emergency rings within the hour and at least every four hours after.", "绿色通道告警须在 1 小时内触发，且之后至少每 4 小时重复。");

        void Reaches(string[]? to, string at) => checks.That(to is null || to.Length <= 6 && to.All(TimerDefaults.Addressees.Contains), at,
            $"Of {string.Join(", ", TimerDefaults.Addressees)}.", $"应为 {string.Join("、", TimerDefaults.Addressees)}。");
    }

    public TimerSetting For(string timer) => new()
    {
        Timer = timer, Steps = [.. (Steps ?? []).Select(s => s with { To = s.To ?? [] })], UrgeEveryMinutes = UrgeEveryMinutes, UrgeTo = UrgeTo ?? [],
        ActAfterMinutes = ActAfterMinutes, Calendar = Calendar, StartsAt = StartsAt,
    };
}

/// <summary>Timers over HTTP: what holds for whom, every version, and new ones from now on.</summary>
internal static class TimerRoutes
{
    private static readonly LadderForm Example = new()
    {
        Timer = "Triage", Alliance = "al-county", Priority = Priority.Urgent, From = new(2027, 1, 1, 0, 0, 0, TimeSpan.Zero),
        Steps = [new(60, StepMeaning.Warning, ["Claimant"]), new(120, StepMeaning.Missed, ["DepartmentHead"])],
        UrgeEveryMinutes = 60, UrgeTo = ["ReferralOffice", "DutyDesk"], ActAfterMinutes = 1440,
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/timers", ([FromQuery] string? alliance, [FromQuery] string? priority, [FromQuery] string? kind, [FromQuery] DateTimeOffset? at, HttpContext http, DirectoryDesk desk) =>
                Effective(http, desk, alliance, priority, kind, at))
            .Describe("listTimers", "Settings", "The ladder of every timer as it holds for an alliance, priority and kind at a moment.")
            .Produces<TimerList>().Refuses(400, 403).Example(null, new TimerList([Example.For("Triage")]));
        routes.MapGet("/v1/timer-settings", ([FromQuery] string? alliance, [FromQuery] string? timer, HttpContext http, DirectoryDesk desk) => Versions(http, desk, alliance, timer))
            .Describe("listTimerSettings", "Settings", "Every version that was ever set, newest first; the defaults are not among them.")
            .Produces<TimerList>().Refuses(400, 403);
        routes.MapPost("/v1/timer-settings", (HttpContext http, DirectoryDesk desk, Access access) => Publish(http, desk, access))
            .Describe("publishTimerSetting", "Settings", "Set a timer's ladder from now on or later; what runs already keeps its ladder.",
                "For one alliance (its office) or for all (operator). Nothing is overwritten: a newer version of the same scope takes over at its time.")
            .Accepts<LadderForm>("application/json").Produces<TimerSetting>(201).RefusesLikeACommand()
            .Example(Example, Example.For("Triage") with { Id = "019aa3a8-5c1e-7d31-9a53-0d6f7b1c2e4f" });
    }

    private static IResult Effective(HttpContext http, DirectoryDesk desk, string? alliance, string? priority, string? kind, DateTimeOffset? at)
    {
        var (caller, refused) = desk.Reader(http);
        if (caller is null)
            return refused!;
        var checks = new Checks();
        checks.That(priority is null || Enum.GetNames<Priority>().Contains(priority), "priority", "Not an allowed value.", "不在允许的取值范围内。");
        checks.That(kind is null || Enum.GetNames<ReferralKind>().Contains(kind), "kind", "Not an allowed value.", "不在允许的取值范围内。");
        checks.That(alliance is null || desk.Alliance.LeadOf(alliance) is not null, "alliance", "No such alliance.", "没有该医联体。");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        var moment = at ?? desk.Now;
        var snapshot = desk.Alliance;
        return TypedResults.Ok(new TimerList([.. Timers.All.Select(t => snapshot.Timers.Find(t.Name, alliance,
            priority is null ? Priority.Routine : Enum.Parse<Priority>(priority), kind is null ? ReferralKind.OutpatientTransfer : Enum.Parse<ReferralKind>(kind),
            snapshot.Settings.ProfileOf(alliance, moment), moment))]));
    }

    private static IResult Versions(HttpContext http, DirectoryDesk desk, string? alliance, string? timer)
    {
        var (caller, refused) = desk.Reader(http);
        return caller is null ? refused! : TypedResults.Ok(new TimerList([.. desk.Alliance.Timers.Own
            .Where(s => (alliance is null || s.Alliance == alliance) && (timer is null || s.Timer == timer)).OrderByDescending(s => s.From).Take(500)]));
    }

    private static async Task<IResult> Publish(HttpContext http, DirectoryDesk desk, Access access)
    {
        var (caller, form, key, refused) = await Once.Read<LadderForm>(http);
        if (refused is not null)
            return refused;
        if (caller!.Role != Role.Operator && !(caller.Role == Role.AllianceOffice && form!.Alliance is { } own && desk.Alliance.LeadOf(own) == caller.Institution))
        {
            await access.Denied(caller, "publish-timer", null, form!.Timer!);
            return new ProblemResult(Problems.Forbidden);
        }
        return await desk.Once<TimerSetting>(key!, async (connection, _) =>
        {
            var now = desk.Now;
            if (form!.From < now)
                return (Problem)DirectoryProblems.NotYet;
            if (form.Calendar is { } calendar && !desk.Alliance.Calendars.ContainsKey(calendar))
                return Refusals.Rule("/calendar", "No such calendar.", "没有该工作日历。");
            var setting = form.For(form.Timer!) with
            {
                Id = Guid.CreateVersion7(now).ToString(), Alliance = form.Alliance, Priority = form.Priority, Kind = form.Kind, Profile = form.Profile, From = form.From ?? now,
            };
            await connection.ExecuteAsync("""
                insert into timer_setting (id, alliance, timer, priority, kind, profile, since, ladder, written_by)
                values (@id, @Alliance, @Timer, @priority, @kind, @profile, @From, @ladder::jsonb, @by)
                """, new
            {
                id = Guid.Parse(setting.Id), setting.Alliance, setting.Timer, priority = setting.Priority?.ToString(), kind = setting.Kind?.ToString(),
                profile = setting.Profile?.ToString(), setting.From, ladder = JsonSerializer.Serialize(form, ServiceDefaults.Json.Lenient), by = caller.Scope,
            });
            await desk.Audit(connection, caller, "publish-timer", $"{setting.Timer} {setting.Alliance ?? "*"}");
            await ImportAlliance.Changed(connection);
            return new Reply<TimerSetting>(setting, null, 201);
        });
    }
}

/// <summary>Ladders of timers.</summary>
internal sealed record TimerList(IReadOnlyList<TimerSetting> Items);
