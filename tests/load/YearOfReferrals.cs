using System.Diagnostics;
using Dapper;
using Deployed;
using Npgsql;

namespace Load;

/// <summary>
/// A year of 100 000 referrals, up and treated and a third of them sent on: how soon the running service has counted
/// them, and how long it takes to tell the indicators of an alliance, of each member, and of one hospital.
/// </summary>
internal sealed class YearOfReferrals(Alliance alliance)
{
    private const int Referrals = 100_000;

    /// <summary>One result for each question, in milliseconds of the answer; the bar is that none takes a second.</summary>
    public async Task<IReadOnlyList<Result>> Measure()
    {
        await using var connection = new NpgsqlConnection(alliance.Referral.Database.Super);
        await connection.OpenAsync();
        var model = await A.Submitted(alliance);
        var watch = Stopwatch.StartNew();
        await Fill(connection, model.Id);
        Console.WriteLine($"{Referrals} referrals with their histories were written in {watch.Elapsed.TotalSeconds:0.0} s.");

        watch.Restart();
        while (await connection.ExecuteScalarAsync<long>("select count(*) from measure where referral_no like 'Y%'") < Referrals)
            await Task.Delay(200);
        Console.WriteLine($"The service had counted them {watch.Elapsed.TotalSeconds:0.0} s later ({Referrals / watch.Elapsed.TotalSeconds:0} a second).");
        await connection.ExecuteAsync("analyze measure; analyze measure_leg");

        var results = new List<Result>();
        var bureau = alliance.Referral.As(Alliance.OtherTownship, "Regulator");
        foreach (var (what, query) in new[]
        {
            ("an alliance", "alliance=al-county"), ("an alliance and each of its members", "alliance=al-county&by=member"),
            ("one hospital", $"institution={Alliance.Tertiary}"), ("an alliance, one month", "alliance=al-county&from=2025-06-01&to=2025-06-30"),
        })
        {
            var took = new List<double>();
            for (var i = 0; i < 12; i++)
            {
                watch.Restart();
                using var answer = await bureau.GetAsync("/v1/indicators?" + (query.Contains("from=") ? query : query + "&from=2025-01-01&to=2025-12-31"));
                answer.EnsureSuccessStatusCode();
                await answer.Content.ReadAsByteArrayAsync();
                took.Add(watch.Elapsed.TotalMilliseconds);
            }
            results.Add(Result.Of($"indicators, a year of {Referrals:N0}: {what}", took.Sum() / 1000, took, []).Judged("slowest < 1 s", took.Max() < 1000));
        }
        var kept = await connection.QuerySingleAsync<(string, string)>("select pg_size_pretty(pg_total_relation_size('measure')), pg_size_pretty(pg_total_relation_size('measure_leg'))");
        Console.WriteLine($"measure takes {kept.Item1}, measure_leg {kept.Item2}");
        return results;
    }

    // copies of one real row with other numbers, parties and times; each with the history such a life has
    private static async Task Fill(NpgsqlConnection connection, Guid model)
    {
        var columns = (await connection.QueryAsync<string>("""
            select column_name from information_schema.columns
            where table_schema = 'public' and table_name = 'referral' and is_generated = 'NEVER' order by ordinal_position
            """)).AsList();
        var changed = new Dictionary<string, string>
        {
            ["id"] = "l.id", ["referral_no"] = "'Y' || l.n", ["episode_id"] = "l.id", ["sender"] = "l.sender", ["receiver"] = "l.receiver", ["tried"] = "array[l.receiver]",
            ["drafted_at"] = "l.at", ["submitted_at"] = "l.at", ["accepted_at"] = "l.at + interval '2 hours'", ["scheduled_at"] = "l.at + interval '3 hours'",
            ["arrived_at"] = "l.at + interval '1 day'", ["treated_at"] = "l.at + interval '3 days'", ["ended_at"] = "l.at + interval '4 days'", ["rehab_eligible"] = "l.n % 2 = 0",
            ["state"] = "case when l.fate = 0 then 'Declined' else 'Completed' end", ["outcome"] = "case when l.fate = 0 then null else 'NotReturned' end",
            ["reason"] = "case when l.fate = 0 then 'OTHER' else 'CURED' end", ["rating"] = "1 + l.n % 5", ["sequence"] = "case when l.fate = 0 then 2 else 10 end",
            ["version"] = "10", ["timers"] = "'[]'::jsonb", ["next_deadline"] = "null", ["next_deadline_at"] = "null",
        };
        await connection.ExecuteAsync($"""
            create temp table life as
            select n, gen_random_uuid() as id, timestamptz '2025-01-01 00:00+08' + n * interval '5.25 minutes' as at,
                   (array(select code from institution where level in ('TownshipHealthCentre', 'VillageClinic') order by code))[1 + n % 200] as sender,
                   case when n % 4 = 0 then '12210681DEM000022E' else '{Alliance.Tertiary}' end as receiver, n % 10 as fate
            from generate_series(1, {Referrals}) n;
            insert into referral ({string.Join(", ", columns)})
            select {string.Join(", ", columns.Select(c => changed.GetValueOrDefault(c, "r." + c)))}
            from life l join referral r on r.id = @model
            """, new { model }, commandTimeout: 600);
        await connection.ExecuteAsync("""
            insert into history (referral_id, version, sequence, message_id, verb, event, from_state, to_state, leg, at, subject, institution, role, reason, detail)
            select l.id, step.n, step.n, gen_random_uuid(), step.event, step.event, 'x', 'x', 1,
                   l.at + step.after * (0.5 + (l.n % 97) / 97.0), 'dr-' || l.n % 50, l.receiver, 'Clinician',
                   case when step.event = 'declined' then 'OTHER' end, step.detail::jsonb
            from life l
            cross join (values (1, 'submitted', interval '0', null), (2, 'declined', interval '3 hours', null)) as step (n, event, after, detail)
            where l.fate = 0
            union all
            select l.id, step.n, step.n, gen_random_uuid(), step.event, step.event, 'x', 'x', 1,
                   l.at + step.after * (0.5 + (l.n % 97) / 97.0), 'dr-' || l.n % 50, l.receiver, 'Clinician', null, step.detail::jsonb
            from life l
            cross join (values
                (1, 'submitted', interval '0', null), (2, 'deadline-warning', interval '1 hour', '{"timer":"Triage","level":1}'), (3, 'accepted', interval '2 hours', null),
                (4, 'scheduled', interval '3 hours', null), (5, 'in-transit', interval '20 hours', null), (6, 'arrived', interval '1 day', null),
                (7, 'treated', interval '3 days', null), (8, 'deadline-missed', interval '4 days', '{"timer":"Return","level":1}'),
                (9, 'completed', interval '5 days', null), (10, 'rated', interval '6 days', null)) as step (n, event, after, detail)
            where l.fate > 0;
            analyze referral; analyze history;
            """, commandTimeout: 600);
    }
}
