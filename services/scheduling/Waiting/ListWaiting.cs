using System.Globalization;
using Dapper;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Waiting;

/// <summary>One who waits. <see cref="Priority"/> and <see cref="Contracted"/> say why he stands where he stands.</summary>
internal sealed record Waits
{
    public required Guid ReferralId { get; init; }
    public required string ReferralNo { get; init; }
    public required string Sender { get; init; }
    public required string Receiver { get; init; }
    public string? Department { get; init; }
    public required string Resource { get; init; }
    public required string Priority { get; init; }
    /// <summary>True when a family-doctor contract puts him before others of his priority.</summary>
    public required bool Contracted { get; init; }
    public required DateTimeOffset Since { get; init; }
    public required DateTimeOffset Earliest { get; init; }
    public required DateTimeOffset Latest { get; init; }
    /// <summary>Since when he has waited too long; absent: he has not.</summary>
    public DateTimeOffset? AgedAt { get; init; }
    /// <summary>What puts him where he stands: priority, then FamilyDoctorContract or WaitedTooLong, then the time.</summary>
    public IReadOnlyList<string> Why => [Priority, .. Contracted ? ["FamilyDoctorContract"] : AgedAt is null ? Array.Empty<string>() : ["WaitedTooLong"]];
    /// <summary>0 to 5: the smaller, the sooner; among equals <see cref="Since"/> decides.</summary>
    public required int Rank { get; init; }
}

/// <summary>The waiting list in the order in which it is served, for either side.</summary>
internal static class ListWaiting
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/waiting-list", List).Read<Page<Waits>>(
            "listWaiting", "Waiting list", "Who waits at your institution (as=receiver) or was sent by it (as=sender), in the order of serving.",
            """{"items":[{"referralId":"7c1f3c8e-2c55-4b0a-8f5e-8a1f0f1d9b03","referralNo":"ZZ2611220001","sender":"12210681DEM0001022","receiver":"12210600DEM0000149","department":"03.03","resource":"Slot","priority":"Urgent","contracted":true,"since":"2026-11-22T01:00:00+00:00","earliest":"2026-11-22T01:00:00+00:00","latest":"2026-11-25T01:00:00+00:00","why":["Urgent","FamilyDoctorContract"],"rank":2}]}""");

    private const string Select = """
        select w.referral_id, n.referral_no, n.sender, n.receiver, w.department, n.resource, n.priority, n.contracted,
               w.since, w.earliest, w.latest, w.rank, w.aged_at
        from waiting w
        join need n using (referral_id)
        where case when @asSender then n.sender else w.institution end = @institution
          and (@department::text is null or w.department = @department)
          and (not @onlyAged or w.aged_at is not null)
          and (w.rank, w.since, w.referral_id) > (@afterRank, @afterTime, @afterId)
        order by w.rank, w.since, w.referral_id
        limit @rows
        """;

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, Cursors cursors,
        string? @as, string? department, string? aged, string? limit, string? cursor)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        checks.That(@as is null or "sender" or "receiver", "as", "sender or receiver.", "取值为 sender 或 receiver。");
        Reading.Code(department, "department", checks);
        var rows = Reading.Limit(limit, checks);
        checks.That(aged is null or "true" or "false", "aged", "true or false.", "取值为 true 或 false。");
        var list = $"waiting?{caller.Institution}&{@as}&{department}&{aged}";
        var (afterRank, afterTime, afterId) = (-1, DateTimeOffset.UnixEpoch, Guid.Empty);
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor)?.Split('|') is [var rank, var time, var id])
                (afterRank, afterTime, afterId) = (int.Parse(rank, CultureInfo.InvariantCulture), DateTimeOffset.Parse(time, CultureInfo.InvariantCulture), Guid.Parse(id));
            else
                checks.Add("cursor", "This cursor is not one of this list.", "该游标不属于此列表。");
        }
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var entries = (await connection.QueryAsync<Waits>(Select, new
        {
            asSender = @as == "sender", institution = caller.Institution, department, onlyAged = aged == "true", afterRank, afterTime, afterId, rows = rows + 1,
        })).AsList();
        return Reading.SendPage(http, entries, rows, w => cursors.Seal(list, $"{w.Rank}|{w.Since:O}|{w.ReferralId}"));
    }
}
