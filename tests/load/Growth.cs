using Deployed;
using Npgsql;

namespace Load;

/// <summary>
/// Fills the tables as years would: referrals of other patients, copied from one that went the whole way through the
/// services, all but one in fifty ended. What the steps cost then is measured again.
/// </summary>
internal sealed class Growth(Alliance alliance)
{
    private static readonly string[] Ended = ["Completed", "Declined", "Cancelled"];

    /// <summary>Until so many stand in the table.</summary>
    public async Task To(int count, Guid template)
    {
        await using var connection = new NpgsqlConnection(alliance.Referral.Database.Super);
        await connection.OpenAsync();
        var stored = Convert.ToInt32(await Scalar(connection, "select count(*) from referral"));
        if (stored >= count)
            return;
        var columns = new List<string>();
        await using (var command = new NpgsqlCommand("""
            select column_name from information_schema.columns
            where table_schema = 'public' and table_name = 'referral' and is_generated = 'NEVER' order by ordinal_position
            """, connection))
        await using (var reader = await command.ExecuteReaderAsync())
            while (await reader.ReadAsync())
                columns.Add(reader.GetString(0));
        // n tells everything apart; one hospital in ten is the one whose worklist is measured
        var changed = new Dictionary<string, string>
        {
            ["id"] = "md5('r' || n)::uuid", ["referral_no"] = "'G' || n", ["episode_id"] = "md5('e' || n)::uuid", ["patient_id"] = "md5('p' || n)::uuid",
            ["receiver"] = $"case when n % 10 = 0 then '{Alliance.Tertiary}' else 'H' || lpad((n % 300)::text, 17, '0') end",
            ["submitted_at"] = "at", ["drafted_at"] = "at", ["state_since"] = "at", ["changed_at"] = "at",
            ["state"] = $"case when n % 50 = 0 then 'Submitted' else (array['{string.Join("','", Ended)}'])[1 + n % 3] end",
            ["outcome"] = "case when n % 50 <> 0 then 'Returned' end", ["ended_at"] = "case when n % 50 <> 0 then at + interval '9 days' end",
            ["next_deadline"] = "case when n % 50 = 0 then 'Triage' end", ["next_deadline_at"] = "case when n % 50 = 0 then now() + interval '30 days' + n * interval '1 second' end",
            ["sender_own_no"] = "null", ["receiver_own_no"] = "null", ["parent_id"] = "null", ["live_child_id"] = "null", ["relation"] = "null",
        };
        await Run(connection, $"""
            with years as (
                select n, now() - interval '20 days' - (n % 1000000) * interval '30 seconds' as at from generate_series({stored}, {count}) n
            ), person as (
                insert into patient (id, wrapped_key, key_id, identity, id_index)
                select md5('p' || n)::uuid, p.wrapped_key, p.key_id, p.identity, decode(md5('i' || n), 'hex')
                from years, patient p where p.id = (select patient_id from referral where id = '{template}')
            )
            insert into referral ({string.Join(", ", columns)})
            select {string.Join(", ", columns.Select(c => changed.GetValueOrDefault(c, "t." + c)))}
            from years, referral t where t.id = '{template}'
            """);
        await Run(connection, """
            insert into history (referral_id, version, sequence, message_id, verb, event, from_state, to_state, leg, at, subject, institution, role)
            select r.id, v, v, md5(r.id::text || v)::uuid, 'submit', 'submitted', null, r.state, 1, r.submitted_at, 'dr', r.sender, 'Clinician'
            from referral r, generate_series(1, 3) v where r.referral_no like 'G%'
            on conflict do nothing
            """);
        await Run(connection, "vacuum analyze referral");
        await Run(connection, "vacuum analyze patient");
        await Run(connection, "vacuum analyze history");
    }

    private static async Task Run(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync();
    }

    private static async Task<object?> Scalar(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }
}
