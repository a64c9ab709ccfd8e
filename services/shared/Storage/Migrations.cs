using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Npgsql;

namespace ServiceDefaults.Storage;

/// <summary>Numbered, forward-only SQL files embedded in a service as <c>Migrations/NNNN_name.sql</c>.</summary>
public static class Migrations
{
    // any constant: two instances that start together take turns
    private const long Lock = 0x5EFE_44A1;

    private const string LockPatience = "1s";
    private const int Attempts = 300;
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Runs what has not run yet, each file in a transaction of its own, and returns how many ran. A file that
    /// changed after it ran is an error: history is not rewritten.
    /// </summary>
    public static async Task<int> Run(string ownerConnectionString, Assembly assembly)
    {
        await using var source = Database.Open(ownerConnectionString);
        await using var connection = await source.OpenConnectionAsync();
        await connection.ExecuteAsync("select pg_advisory_lock(@Lock)", new { Lock });
        try
        {
            await connection.ExecuteAsync("""
                create table if not exists schema_version (
                    number     int primary key,
                    name       text not null,
                    checksum   text not null,
                    applied_at timestamptz not null default now()
                );
                -- the readiness check of the service's own role reads it
                grant select on schema_version to public
                """);
            var applied = (await connection.QueryAsync<(int Number, string Checksum)>(
                "select number, checksum from schema_version")).ToDictionary(r => r.Number, r => r.Checksum);

            var ran = 0;
            foreach (var (number, name, sql) in Files(assembly))
            {
                var checksum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql)));
                if (applied.TryGetValue(number, out var known))
                {
                    if (known != checksum)
                        throw new InvalidOperationException($"Migration {number} ({name}) changed after it ran: add a new file instead.");
                    continue;
                }
                await Apply(connection, number, name, checksum, sql);
                ran++;
            }
            return ran;
        }
        finally
        {
            await connection.ExecuteAsync("select pg_advisory_unlock(@Lock)", new { Lock });
        }
    }

    // the version before this one serves meanwhile. Who waits for the lock of a table holds up everybody who comes after
    // him: so it is waited for briefly, and often
    private static async Task Apply(NpgsqlConnection connection, int number, string name, string checksum, string sql)
    {
        for (var attempt = 1; ; attempt++)
        {
            await using var transaction = await connection.BeginTransactionAsync();
            try
            {
                await connection.ExecuteAsync($"set local lock_timeout = '{LockPatience}'", transaction: transaction);
                await using (var script = new NpgsqlCommand(sql, connection, transaction) { CommandTimeout = 600 })
                    await script.ExecuteNonQueryAsync();
                await connection.ExecuteAsync(
                    "insert into schema_version (number, name, checksum) values (@number, @name, @checksum)",
                    new { number, name, checksum }, transaction);
                await transaction.CommitAsync();
                return;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.LockNotAvailable && attempt < Attempts)
            {
                await transaction.RollbackAsync();
                await Task.Delay(Pause);
            }
        }
    }

    private static IEnumerable<(int Number, string Name, string Sql)> Files(Assembly assembly) =>
        assembly.GetManifestResourceNames()
            .Where(n => n.Contains(".Migrations.", StringComparison.Ordinal) && n.EndsWith(".sql", StringComparison.Ordinal))
            .Select(n =>
            {
                var file = n[(n.IndexOf(".Migrations.", StringComparison.Ordinal) + ".Migrations.".Length)..^".sql".Length];
                using var reader = new StreamReader(assembly.GetManifestResourceStream(n)!);
                return (int.Parse(file[..4]), file[5..], reader.ReadToEnd());
            })
            .OrderBy(f => f.Item1);
}
