using Dapper;
using Npgsql;
using TestKit;

namespace Deployed;

/// <summary>
/// Holds transactions of a service just before they become real: a deferred trigger waits at their commit until the
/// test lets go. So a process can be killed in that very moment, without a hook in its code.
/// </summary>
public sealed class Hold : IAsyncDisposable
{
    // any constant; the lock is the database's own
    private const int Lock = 0x401D;
    private const string Name = "test_hold";

    private readonly TestDatabase _database;
    private readonly NpgsqlConnection _holder;

    private Hold(TestDatabase database, NpgsqlConnection holder) => (_database, _holder) = (database, holder);

    /// <summary>From now on every transaction that does this to a row of the table waits at its commit.</summary>
    /// <param name="operation">insert, update or delete.</param>
    /// <param name="only">Condition on <c>new</c> or <c>old</c>, to hold some rows only.</param>
    public static async Task<Hold> Commits(TestDatabase database, string operation, string table, string only = "true")
    {
        var holder = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(database.Super) { Pooling = false }.ConnectionString);
        await holder.OpenAsync();
        await holder.ExecuteAsync($"""
            select pg_advisory_lock({Lock});
            create or replace function {Name}() returns trigger language plpgsql as $$
            begin
                perform pg_advisory_xact_lock_shared({Lock});
                return null;
            end $$;
            create constraint trigger {Name} after {operation} on {table} deferrable initially deferred
                for each row when ({only}) execute function {Name}()
            """);
        return new(database, holder);
    }

    /// <summary>Returns when a transaction is held.</summary>
    public Task Caught() => Eventually.Is(async () => (await Held()).Count > 0, "a transaction reaches its commit and is held", seconds: 20);

    private Task<IReadOnlyList<int>> Held() => _database.Query<int>($"""
        select l.pid
        from pg_locks l join pg_database d on d.oid = l.database
        where l.locktype = 'advisory' and not l.granted and l.objid = {Lock} and d.datname = current_database()
        """);

    /// <summary>
    /// Ends what is held without its commit, as PostgreSQL does when it finds the client gone. To be called after the
    /// kill: PostgreSQL does not look for the client while a statement waits.
    /// </summary>
    public async Task Undo()
    {
        foreach (var pid in await Held())
            await _database.Query<bool>("select pg_terminate_backend(@pid, 5000)", new { pid });
        await DisposeAsync();
    }

    /// <summary>Lets go: what is held commits, whether or not its client still lives.</summary>
    public async Task Release()
    {
        var held = await Held();
        await DisposeAsync();
        await Eventually.Is(async () => (await _database.Query<int>(
            "select pid from pg_stat_activity where pid = any(@held) and state = 'active'", new { held })).Count == 0, "what was held has committed", seconds: 20);
    }

    public async ValueTask DisposeAsync()
    {
        await _holder.DisposeAsync();
        await RemoveAll(_database);
    }

    /// <summary>Takes away what an earlier test left.</summary>
    public static Task RemoveAll(TestDatabase database) => database.Execute($"drop function if exists {Name}() cascade");
}
