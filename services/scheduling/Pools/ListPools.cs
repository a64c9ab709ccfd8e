using Dapper;
using Npgsql;
using SchedulingService.Http;
using SchedulingService.Sessions;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Pools;

/// <summary>The reserved slots of one department in one week, and what they were used for.</summary>
internal sealed record Pool
{
    public required string Department { get; init; }
    public required string Resource { get; init; }
    /// <summary>Monday of the week.</summary>
    public required DateOnly Week { get; init; }
    /// <summary>Places reserved for patients with a family-doctor contract.</summary>
    public required int Reserved { get; init; }
    /// <summary>Those taken out of the pool.</summary>
    public required int Taken { get; init; }
    /// <summary>Places that opened to all because nobody took them in time.</summary>
    public required int Opened { get; init; }
    /// <summary>How many your own institution may take in a week; absent: no limit.</summary>
    public int? YourQuota { get; init; }
    /// <summary>How many your own institution has taken.</summary>
    public required int YouTook { get; init; }
}

/// <summary>Slot pools for family doctors: how large, how used. Counts only.</summary>
internal static class ListPools
{
    private const int MostWeeks = 13;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/pools", List).Read<Page<Pool>>(
            "listPools", "Pools", "Reserved slots of an institution by department and week with their use and your own quota; of your own institution when none is named.",
            """{"items":[{"department":"03.03","resource":"Slot","week":"2026-11-30","reserved":20,"taken":12,"opened":3,"yourQuota":5,"youTook":2}]}""");

    private const string Select = """
        select s.department, s.resource, s.week, s.reserved, s.opened,
               (select count(*) from booking b where b.institution = @institution and b.department = s.department and b.resource = s.resource
                  and b.pool_week = s.week and b.state in ('Held', 'Booked', 'Used', 'NoShow'))::int as taken,
               (select q.per_week from pool_quota q where q.institution = @institution and q.department = s.department
                  and q.resource = s.resource and q.sender in (@caller, '') order by q.sender desc limit 1) as your_quota,
               (select count(*) from booking b join need n using (referral_id)
                where b.institution = @institution and b.department = s.department and b.resource = s.resource
                  and b.pool_week = s.week and n.sender = @caller and b.state in ('Held', 'Booked', 'Used', 'NoShow'))::int as you_took
        from (
            select department, resource, date_trunc('week', starts_at at time zone 'Asia/Shanghai')::date as week,
                   sum(capacity)::int as reserved, coalesce(sum(capacity) filter (where opened_at is not null), 0)::int as opened
            from slot
            where institution = @institution and reserved_for is not null and withdrawn_at is null
              and starts_at >= @first::date::timestamp at time zone 'Asia/Shanghai'
              and starts_at < (@last::date + 1)::timestamp at time zone 'Asia/Shanghai'
            group by 1, 2, 3
        ) s
        order by s.week, s.department, s.resource
        """;

    private static async Task<IResult> List(HttpContext http, NpgsqlDataSource database, TimeProvider clock, string? institution, string? from, string? to)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        var checks = new Checks();
        Reading.Code(institution, "institution", checks);
        var today = Hours.Day(clock.GetUtcNow());
        // whole weeks: what is counted against a quota is a week
        var first = Monday(Reading.Day(from, "from", today, checks));
        var last = Monday(Reading.Day(to, "to", first.AddDays(27), checks)).AddDays(6);
        checks.That(last >= first && last.DayNumber - first.DayNumber < MostWeeks * 7, "to",
            $"Not before 'from', and at most {MostWeeks} weeks.", $"不得早于 from，且最多 {MostWeeks} 周。");
        if (!checks.Passed)
            return new ProblemResult(checks.Problem);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        var pools = (await connection.QueryAsync<Pool>(Select, new { institution = institution ?? caller.Institution, caller = caller.Institution, first, last })).AsList();
        return Reading.Send(http, new Page<Pool>(pools));
    }

    private static DateOnly Monday(DateOnly day) => day.AddDays(-(((int)day.DayOfWeek + 6) % 7));
}
