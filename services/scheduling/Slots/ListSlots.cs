using System.Globalization;
using Dapper;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Slots;

/// <summary>A slot as everybody may see it: how many more patients it takes, not who they are.</summary>
internal sealed record ListedSlot
{
    public required Guid Id { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public string? Clinician { get; init; }
    public required DateTimeOffset StartsAt { get; init; }
    public required DateTimeOffset EndsAt { get; init; }
    public required int Capacity { get; init; }
    public required int Free { get; init; }
    /// <summary>Where to go.</summary>
    public string? Place { get; init; }
    /// <summary>FamilyDoctor: patients with a family-doctor contract alone, until <see cref="OpensAt"/>; absent: everybody.</summary>
    public string? ReservedFor { get; init; }
    public DateTimeOffset? OpensAt { get; init; }
}

/// <summary>Slots of any institution, without a word about who is in them.</summary>
internal static class ListSlots
{
    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/slots", List).Read<Page<ListedSlot>>(
            "listSlots", "Slots", "Slots of an institution by time; of your own when none is named.",
            """{"items":[{"id":"0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01","institution":"12210600DEM0000149","department":"03.03","resource":"Slot","clinician":"dr-0001","startsAt":"2026-12-01T01:00:00+00:00","endsAt":"2026-12-01T01:30:00+00:00","capacity":1,"free":1}]}""");

    private const string Select = """
        select id, institution, department, resource, clinician, starts_at, ends_at, capacity, greatest(capacity - taken, 0) as free,
               place, case when opened_at is null then reserved_for end as reserved_for, case when opened_at is null then opens_at end as opens_at
        from slot
        where institution = @institution and withdrawn_at is null
          and (starts_at, id) > (@afterTime, @afterId) and starts_at >= @since and starts_at < @until
          and (@department::text is null or department = @department)
          and (@resource::text is null or resource = @resource)
          and (not @onlyFree or taken < capacity)
        order by starts_at, id
        limit @rows
        """;

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, Cursors cursors, TimeProvider clock,
        string? institution, string? department, string? resource, string? from, string? to, string? free, string? limit, string? cursor)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        Reading.Code(department, "department", checks);
        Reading.Code(resource, "resource", checks);
        checks.That(free is null or "true" or "false", "free", "true or false.", "取值为 true 或 false。");
        var since = Reading.Time(from, "from", clock.GetUtcNow(), checks);
        var until = Reading.Time(to, "to", since.AddDays(92), checks);
        checks.That(to is null || until > since, "to", "After 'from', which is now where it is absent.", "须晚于 from（未填时为当前时间）。");
        var rows = Reading.Limit(limit, checks);
        var list = $"slots?{institution}&{department}&{resource}&{from}&{to}&{free}";
        var (afterTime, afterId) = (DateTimeOffset.UnixEpoch, Guid.Empty);
        if (cursor is not null)
        {
            if (cursors.Open(list, cursor)?.Split('|') is [var time, var id])
                (afterTime, afterId) = (DateTimeOffset.Parse(time, CultureInfo.InvariantCulture), Guid.Parse(id));
            else
                checks.Add("cursor", "This cursor is not one of this list.", "该游标不属于此列表。");
        }
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);

        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var slots = (await connection.QueryAsync<ListedSlot>(Select, new
        {
            institution = institution ?? caller.Institution, department, resource, since, until, onlyFree = free == "true",
            afterTime, afterId, rows = rows + 1,
        })).AsList();
        return Reading.SendPage(http, slots, rows, s => cursors.Seal(list, $"{s.StartsAt:O}|{s.Id}"));
    }
}
