using System.Security.Cryptography;
using Dapper;
using Npgsql;

namespace ServiceDefaults.Auditing;

/// <summary>What a look at the whole chain found.</summary>
/// <param name="Rows">Sealed rows that stand as they were sealed.</param>
/// <param name="Pruned">Sealed rows that retention took away; their digests still stand in the chain.</param>
/// <param name="Unsealed">Rows at the end that no link covers yet.</param>
/// <param name="Faults">What was changed, removed, reordered or slipped in; empty when all is well.</param>
public sealed record AuditFindings(
    long Seals, long Rows, long Pruned, AuditSeal? Head, long Unsealed, DateTimeOffset? OldestUnsealed, IReadOnlyList<string> Faults);

/// <summary>Recomputes every link and every row's digest from the table, independently of what wrote them.</summary>
public sealed class AuditVerifier(NpgsqlDataSource database, AuditChain chain)
{
    private const int MostFaults = 100;

    /// <param name="from">Number of the first link to look at; its predecessor's hash is taken as it stands.</param>
    /// <param name="noted">A head that was noted elsewhere: the chain must still run through it.</param>
    public async Task<AuditFindings> Verify(long from = 1, (long Number, string Hash)? noted = null, CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        // one moment: rows that are sealed meanwhile are neither missing nor unsealed
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, ct);
        var faults = new List<string>();
        var prunedTo = await PrunedTo(connection);
        long seals = 0, rows = 0, pruned = 0;
        AuditSeal? last = null;
        while (true)
        {
            var page = await AuditSeals.Read(connection, "where number > @after order by number limit 500", [new("after", last?.Number ?? from - 1)], ct);
            foreach (var seal in page)
            {
                seals++;
                Follows(seal, last, from, faults);
                if (noted?.Number == seal.Number && Convert.ToHexStringLower(seal.Hash) != noted.Value.Hash)
                    Add(faults, $"link {seal.Number} is not the one that was noted");
                var (sound, gone) = await Rows(connection, seal, prunedTo, faults);
                rows += sound;
                pruned += gone;
                last = seal;
            }
            if (page.Count == 0)
                break;
        }
        if (noted is { } head && (last?.Number ?? 0) < head.Number)
            Add(faults, $"the chain ends at link {last?.Number ?? 0}; link {head.Number}, which was noted, is gone");
        if (from == 1)
            await SlippedIn(connection, last, rows, faults);
        var tail = await connection.QuerySingleAsync<Tail>("""
            select count(*) as rows, min(at) as oldest from audit where tx >= @Upto and id > @AfterId
            """, new { Upto = last?.Upto ?? 0, AfterId = last?.AfterId ?? 0 });
        return new(seals, rows, pruned, last, tail.Rows, tail.Oldest, faults);
    }

    private sealed record Tail
    {
        public long Rows { get; init; }
        public DateTimeOffset? Oldest { get; init; }
    }

    private void Follows(AuditSeal seal, AuditSeal? last, long from, List<string> faults)
    {
        var expected = last?.Number + 1 ?? from;
        if (seal.Number != expected)
            Add(faults, $"link {expected} is gone: link {seal.Number} comes next");
        if (!seal.Previous.AsSpan().SequenceEqual(last?.Hash ?? (from == 1 ? AuditChain.Beginning : seal.Previous)))
            Add(faults, $"link {seal.Number} does not follow from link {seal.Number - 1}");
        if (!AuditChain.HashOf(seal).AsSpan().SequenceEqual(seal.Hash))
            Add(faults, $"link {seal.Number} was changed");
        if (seal.KeyId != chain.KeyId)
            Add(faults, $"link {seal.Number} was sealed under another key ({seal.KeyId})");
        else if (!CryptographicOperations.FixedTimeEquals(chain.MacOf(seal.Hash), seal.Mac))
            Add(faults, $"link {seal.Number} was not sealed by this service");
    }

    private static async Task<(long Sound, long Pruned)> Rows(NpgsqlConnection connection, AuditSeal seal, long prunedTo, List<string> faults)
    {
        var found = (await connection.QueryAsync<AuditRow>($"""
            select {AuditRow.Columns} from audit where id = any(@Ids)
            """, new { seal.Ids })).ToDictionary(r => r.Id);
        long sound = 0, pruned = 0;
        for (var i = 0; i < seal.Ids.Length; i++)
        {
            if (!found.TryGetValue(seal.Ids[i], out var row))
            {
                if (seal.Number <= prunedTo)
                    pruned++;
                else
                    Add(faults, $"row {seal.Ids[i]} of link {seal.Number} is gone");
            }
            else if (!seal.DigestOf(i).SequenceEqual(row.Digest()))
                Add(faults, $"row {seal.Ids[i]} of link {seal.Number} was changed");
            else
                sound++;
        }
        return (sound, pruned);
    }

    // a row that claims an old transaction and stands in no link was put there later
    private static async Task SlippedIn(NpgsqlConnection connection, AuditSeal? last, long rows, List<string> faults)
    {
        if (last is null)
            return;
        var standing = await connection.ExecuteScalarAsync<long>("select count(*) from audit where tx < @Upto or id <= @AfterId", last);
        if (standing == rows)
            return;
        foreach (var id in await connection.QueryAsync<long>("""
            select id from audit where tx < @Upto or id <= @AfterId
            except select unnest(ids) from audit_seal
            limit 20
            """, last))
            Add(faults, $"row {id} stands in no link: it was slipped in");
        foreach (var id in await connection.QueryAsync<long>("""
            select id from audit_seal, unnest(ids) id group by id having count(*) > 1 limit 20
            """))
            Add(faults, $"row {id} stands in two links");
    }

    // how far retention has gone is itself a sealed row
    private static async Task<long> PrunedTo(NpgsqlConnection connection) =>
        await connection.ExecuteScalarAsync<long?>($"""
            select max(target::bigint) from audit where action = '{AuditVerbs.PruneAction}' and role = 'Operator' and target ~ '^[0-9]+$'
            """) ?? 0;

    private static void Add(List<string> faults, string fault)
    {
        if (faults.Count < MostFaults)
            faults.Add(fault);
    }
}

/// <summary>Reads links; their arrays are too wide for a mapper.</summary>
internal static class AuditSeals
{
    public static async Task<IReadOnlyList<AuditSeal>> Read(
        NpgsqlConnection connection, string rest, NpgsqlParameter[] parameters, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand($"""
            select number, sealed_at, ids, digests, previous, hash, mac, key_id, upto, after_id from audit_seal {rest}
            """, connection);
        command.Parameters.AddRange(parameters);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var seals = new List<AuditSeal>();
        while (await reader.ReadAsync(ct))
            seals.Add(new()
            {
                Number = reader.GetInt64(0), SealedAt = new(reader.GetDateTime(1), TimeSpan.Zero), Ids = reader.GetFieldValue<long[]>(2),
                Digests = reader.GetFieldValue<byte[]>(3), Previous = reader.GetFieldValue<byte[]>(4), Hash = reader.GetFieldValue<byte[]>(5),
                Mac = reader.GetFieldValue<byte[]>(6), KeyId = reader.GetString(7), Upto = reader.GetInt64(8), AfterId = reader.GetInt64(9),
            });
        return seals;
    }
}
