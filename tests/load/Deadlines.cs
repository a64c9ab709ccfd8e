using Deployed;

namespace Load;

/// <summary>
/// How late deadlines are with 100 000 of them open: most lie hours ahead, some fall due every second, and some all at
/// the same one. Late is the difference between what a row was due at and what its history says.
/// </summary>
internal sealed class Deadlines(Alliance alliance)
{
    public const int Open = 100_000;
    private const int PerSecond = 50, Burst = 1_000, Chunk = 10_000;
    private static readonly TimeSpan Latest = TimeSpan.FromSeconds(5);

    // copies of one submitted referral that has just been sent: each with its own warning to come, two hours after it was asked
    private const string Copy = """
        insert into referral (COLUMNS)
        select COLUMNS_OF_COPY
        from referral template,
             lateral (select n, case
                 when n <= @burst then @start + make_interval(secs => 5)
                 when n <= @burst + @steady then @start + make_interval(secs => 5 + (n - @burst)::float8 / @perSecond)
                 else @start + interval '6 hours' + make_interval(secs => n % 3600) end as due
                 from generate_series(@first, @last) n) copy
        where template.id = @template
        """;

    private static readonly Dictionary<string, string> Changed = new()
    {
        ["id"] = "gen_random_uuid()",
        ["referral_no"] = "'DL' || n",
        ["submitted_at"] = "due - interval '2 hours'",
        ["leg_submitted_at"] = "due - interval '2 hours'",
        ["drafted_at"] = "due - interval '2 hours'",
        ["state_since"] = "due - interval '2 hours'",
        ["next_deadline"] = "'Triage'",
        ["next_deadline_at"] = "due",
        ["timers"] = """
            jsonb_build_array(jsonb_build_object('Timer', 'Triage', 'Anchor', due - interval '2 hours', 'Level', 0, 'DueAt', due))
            """,
    };

    /// <param name="template">A referral that stands in Submitted.</param>
    public async Task<Result> Measure(Guid template, int seconds)
    {
        var tables = alliance.Referral.Database;
        var columns = await tables.Query<string>("""
            select column_name from information_schema.columns where table_name = 'referral' and table_schema = 'public' and is_generated = 'NEVER'
            """);
        var sql = Copy.Replace("COLUMNS_OF_COPY", string.Join(", ", columns.Select(c => Changed.GetValueOrDefault(c, "template." + c))))
            .Replace("COLUMNS", string.Join(", ", columns));
        // the copying itself takes longer than the first ones would wait
        var start = DateTimeOffset.UtcNow.AddSeconds(60);
        var steady = PerSecond * seconds;
        for (var first = 1; first <= Open; first += Chunk)
            await tables.Execute(sql, new { first, last = first + Chunk - 1, burst = Burst, steady, perSecond = (double)PerSecond, start, template });
        await tables.Execute("analyze referral");
        if (DateTimeOffset.UtcNow > start.AddSeconds(4))
            throw new InvalidOperationException("Copying took too long: nothing was measured.");

        var due = Burst + steady;
        var until = start.AddSeconds(5 + seconds + 30);
        while (await Fired() < due && DateTimeOffset.UtcNow < until)
            await Task.Delay(500);
        var late = await tables.Query<double>("""
            select extract(epoch from h.at - (h.detail_due))::float8 * 1000
            from (select h.at, r.submitted_at + interval '2 hours' as detail_due
                  from history h join referral r on r.id = h.referral_id
                  where r.referral_no like 'DL%' and h.event = 'deadline-warning') h
            """);
        var missing = due - late.Count;
        var worst = late.Count == 0 ? double.PositiveInfinity : late.Max();
        string[] errors = missing > 0 ? [$"{missing} of {due} did not fire"] : [];
        return Result.Of($"deadlines late by, {Open:N0} open; the latest {worst:0} ms", seconds, [.. late], errors)
            .Judged("≤ 5 s", worst <= Latest.TotalMilliseconds);

        async Task<long> Fired() => (await tables.Query<long>("""
            select count(*) from history h join referral r on r.id = h.referral_id where r.referral_no like 'DL%' and h.event = 'deadline-warning'
            """)).Single();
    }
}
