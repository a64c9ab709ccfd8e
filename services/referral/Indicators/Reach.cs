using System.Globalization;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Indicators;

/// <summary>What a report may be asked for.</summary>
internal sealed record ReportFilter
{
    /// <summary>Code of one institution; the caller's own when neither this nor an alliance is named.</summary>
    [FromQuery(Name = "institution")] public string? Institution { get; init; }
    /// <summary>Id of an alliance: its members, while they were members.</summary>
    [FromQuery(Name = "alliance")] public string? Alliance { get; init; }
    /// <summary>First day of submission, e.g. 2026-01-01; the first of the year when absent.</summary>
    [FromQuery(Name = "from")] public string? From { get; init; }
    /// <summary>Last day of submission; today when absent.</summary>
    [FromQuery(Name = "to")] public string? To { get; init; }
    /// <summary>sent, received, or both when absent.</summary>
    [FromQuery(Name = "side")] public string? Side { get; init; }
}

/// <summary>
/// Who may ask for whose figures: staff for their own institution, the office of an alliance for it and its members,
/// the health bureau for all, in counts.
/// </summary>
internal sealed class Reach(AllianceDirectory directory, Access access, TimeProvider clock)
{
    private static readonly Role[] Staff = [Role.Clinician, Role.Coordinator, Role.Head, Role.Registrar, Role.Machine];
    private const int MostDays = 366 * 5;

    /// <summary>The question, or why it may not be asked. Who asks beyond its reach gets 404 and leaves an audit row.</summary>
    public async Task<(Question? Question, Caller? Caller, Problem? Refused)> Of(HttpContext http, ReportFilter filter, string action, bool byMember = false, Role[]? roles = null)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (incomplete is not null)
            return (null, null, incomplete);
        var today = ChinaTime.DayOf(clock.GetUtcNow());
        var checks = new Checks();
        var from = Day(filter.From, "from", checks) ?? new DateOnly(today.Year, 1, 1);
        var to = Day(filter.To, "to", checks) ?? today;
        checks.That(from <= to, "to", "Not before 'from'.", "不得早于 from。");
        checks.That(to.DayNumber - from.DayNumber <= MostDays, "from", "At most five years at once.", "一次最多查询五年。");
        checks.That(filter.Side is null or "sent" or "received", "side", "sent or received.", "应为 sent 或 received。");
        checks.That(filter.Institution is null || filter.Alliance is null, "alliance", "An institution or an alliance, not both.", "机构与医联体只能选其一。");
        foreach (var (name, value) in new[] { ("institution", filter.Institution), ("alliance", filter.Alliance) })
            checks.That(value is null || value.Length is > 0 and <= 64 && !value.Any(char.IsControl), name, "1 to 64 characters.", "1 至 64 个字符。");
        if (!checks.Passed)
            return (null, caller, checks.Problem);

        var wide = caller!.Role is Role.AllianceOffice or Role.Regulator;
        var institution = filter.Institution ?? (filter.Alliance is null ? caller.Institution : null);
        var alliance = directory.Current;
        IReadOnlyList<Membership>? scope = institution is not null
            ? MaySee(caller, institution, today) ? [new("", institution, DateOnly.MinValue, null)] : null
            : caller.Role == Role.Regulator || caller.Role == Role.AllianceOffice && alliance.AlliancesOf(caller.Institution, today).Contains(filter.Alliance)
                ? alliance.MembersOf(filter.Alliance!) : null;
        if (scope is null or { Count: 0 })
        {
            await access.Denied(caller, action, null, filter.Institution ?? filter.Alliance!);
            return (null, caller, Problems.NotFound);
        }
        if (!wide && !Staff.Contains(caller.Role) || roles is not null && !roles.Contains(caller.Role))
        {
            await access.Denied(caller, action, null, filter.Institution ?? filter.Alliance ?? caller.Institution);
            return (null, caller, Problems.Forbidden);
        }
        return (new(scope, filter.Side != "received", filter.Side != "sent", from, to, byMember), caller, null);
    }

    // an institution that nobody knows is as far away as a foreign one
    private bool MaySee(Caller caller, string institution, DateOnly today) => caller.Role switch
    {
        Role.Regulator => directory.Current.Find(institution)?.Code == institution,
        Role.AllianceOffice => institution == caller.Institution || directory.Current.ShareAnAlliance(caller.Institution, institution, today),
        _ => institution == caller.Institution,
    };

    private static DateOnly? Day(string? value, string name, Checks checks)
    {
        if (value is null)
            return null;
        var known = DateOnly.TryParseExact(value, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out var day) && day.Year is >= 2000 and < 2100;
        checks.That(known, name, "A day such as 2026-01-01.", "日期格式如 2026-01-01。");
        return known ? day : null;
    }
}
