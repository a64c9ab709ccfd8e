using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using SchedulingService.Bookings;
using SchedulingService.Http;
using SchedulingService.Sessions;
using ServiceDefaults;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Waiting;

/// <summary>Another institution that has what somebody waits for.</summary>
/// <param name="FirstFree">The first day with a free place inside the window, or from today on where it is past.</param>
/// <param name="Free">How many places are free inside it.</param>
internal sealed record Candidate(string Institution, string Department, string Resource, DateOnly FirstFree, int Free);

/// <summary>
/// Where there is room for somebody who waits, soonest first: what a redirect is chosen from. Alliances and levels are
/// known to the referral service alone, which judges the redirect.
/// </summary>
internal static class ListCandidates
{
    private const int Most = 20;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/waiting-list/{referral}/candidates", List).Read<Page<Candidate>>(
            "listCandidates", "Waiting list", "Institutions that have not had a waiting referral and have a free place of its kind, soonest first, sandbox apart from real; for its parties. The redirect is judged by the alliance's rules, which POST /v1/referrals/{id}/match of the referral service weighs, too.",
            """{"items":[{"institution":"12210681DEM000022E","department":"03.03","resource":"Slot","firstFree":"2026-12-02","free":7}]}""", 404);

    private sealed record Told(string Institution, string Department, string Resource, string Free);

    // what was told of capacity is a short list of all institutions; the slots themselves are many
    private const string Select = """
        select t.institution, t.department, t.resource, t.free
        from waiting w
        join need n using (referral_id)
        join capacity_told t on t.resource = n.resource and (t.department = n.department or n.resource in ('Ward', 'Visit'))
        left join institution i on i.code = t.institution
        -- sandbox and real institutions do not mix; of whom no referral was ever heard counts as real
        where n.referral_id = @ReferralId and coalesce(i.synthetic, false) = n.synthetic
          and t.institution not in (n.receiver, n.sender) and t.institution <> all (n.tried) and t.free <> '[]'
        """;

    private static async Task<IResult> List(HttpContext http, string referral, NpgsqlDataSource database, TimeProvider clock)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(referral, "referral", checks);
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (await BookPlace.Find(database, referral) is not { } need || caller.Institution != need.Sender && caller.Institution != need.Receiver)
            return await Roles.NoParty(database, clock, caller, "waiting.candidates", referral);
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var told = await connection.QueryAsync<Told>(Select, new { need.ReferralId });
        var (today, window) = (Hours.Day(clock.GetUtcNow()), need.Window);
        var (first, last) = window.Until < clock.GetUtcNow()
            ? (today, DateOnly.MaxValue)
            : (window.From > clock.GetUtcNow() ? Hours.Day(window.From) : today, Hours.Day(window.Until));
        var candidates = told
            .Select(t => (Told: t, Days: JsonSerializer.Deserialize<List<FreePlaces>>(t.Free, Json.Lenient)!.Where(d => d.On >= first && d.On <= last).ToList()))
            .Where(c => c.Days.Count > 0)
            .Select(c => new Candidate(c.Told.Institution, c.Told.Department, c.Told.Resource, c.Days.Min(d => d.On), c.Days.Sum(d => d.Count)))
            .OrderBy(c => c.FirstFree).ThenByDescending(c => c.Free).ThenBy(c => c.Institution, StringComparer.Ordinal)
            .Take(Most).ToList();
        return Reading.Send(http, new Page<Candidate>(candidates));
    }
}
