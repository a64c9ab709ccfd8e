using Dapper;
using Npgsql;

namespace ReferralService.Patients;

/// <summary>
/// Turns the service's key: wraps every person's key anew under the key of today, in batches that each stand for
/// themselves. Stopped at any moment it has lost nothing; started again it goes on. Everybody reads and writes meanwhile.
/// </summary>
internal sealed class RotateKeys(NpgsqlDataSource database, PatientKeys keys)
{
    public const int BatchSize = 500;

    /// <summary>How many keys were wrapped anew, and how many an instance with an older setting wrote meanwhile.</summary>
    public async Task<(int Turned, int Left)> Run(CancellationToken ct = default)
    {
        await RefuseUnknown(ct);
        await TurnIndexKey(ct);
        var turned = 0;
        Guid? last = Guid.Empty;
        while (last is { } after)
        {
            (var count, last) = await Batch(after, ct);
            turned += count;
        }
        return (turned, await Left(ct));
    }

    /// <summary>One batch behind an id; null instead of the next id when it was the last one.</summary>
    public async Task<(int Turned, Guid? Last)> Batch(Guid after, CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var batch = (await connection.QueryAsync<(Guid Id, byte[] Wrapped)>("""
            select id, wrapped_key from patient
            where id > @after and key_id <> @KeyId and wrapped_key is not null
            order by id limit @BatchSize
            for update
            """, new { after, keys.KeyId, BatchSize }, transaction)).AsList();
        if (batch.Count == 0)
            return (0, null);
        await connection.ExecuteAsync("""
            update patient p set wrapped_key = t.wrapped, key_id = @KeyId
            from unnest(@ids, @wrapped) as t (id, wrapped) where p.id = t.id
            """, new { keys.KeyId, ids = batch.Select(p => p.Id).ToArray(), wrapped = batch.Select(p => keys.Rewrap(p.Wrapped)).ToArray() }, transaction);
        await transaction.CommitAsync(ct);
        return (batch.Count, batch[^1].Id);
    }

    private async Task RefuseUnknown(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        var unknown = await connection.QueryAsync<string>("""
            select key_id || ' (' || count(*) || ' patients)' from patient
            where wrapped_key is not null and key_id <> all(@known) group by key_id
            """, new { known = keys.KnownIds.ToArray() });
        if (string.Join(", ", unknown) is { Length: > 0 } missing)
            throw new InvalidOperationException($"These keys are needed first (Patients:OtherKeyFiles): {missing}.");
    }

    private async Task TurnIndexKey(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        if (await connection.ExecuteScalarAsync<byte[]?>("""
            select wrapped from service_key where purpose = 'patient-index' and key_id <> @KeyId for update
            """, new { keys.KeyId }, transaction) is not { } wrapped)
            return;
        await connection.ExecuteAsync("update service_key set wrapped = @wrapped, key_id = @KeyId where purpose = 'patient-index'",
            new { wrapped = keys.Rewrap(wrapped), keys.KeyId }, transaction);
        await transaction.CommitAsync(ct);
    }

    private async Task<int> Left(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<int>(
            "select count(*)::int from patient where wrapped_key is not null and key_id <> @KeyId", new { keys.KeyId });
    }
}

internal static class KeyVerbs
{
    /// <summary>Runs <c>keys rotate</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunKeys(this WebApplication app, string[] args)
    {
        if (args is not ["keys", "rotate"])
            return false;
        var (turned, left) = await app.Services.GetRequiredService<RotateKeys>().Run();
        Console.WriteLine($"{turned} patients' keys are wrapped by the key of today.");
        if (left > 0)
        {
            Console.WriteLine($"{left} were written under another key meanwhile: an instance still has the old setting. Start it anew, then run this again.");
            Environment.ExitCode = 1;
        }
        return true;
    }
}
