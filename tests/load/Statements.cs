using System.Text.RegularExpressions;
using Npgsql;
using TestKit;

namespace Load;

/// <summary>Which statements a step spent the database's time on, as PostgreSQL counted them.</summary>
internal sealed partial class Statements : IAsyncDisposable
{
    private readonly NpgsqlDataSource _server = NpgsqlDataSource.Create(Servers.Postgres);

    public async Task Forget()
    {
        await using var command = _server.CreateCommand("create extension if not exists pg_stat_statements; select pg_stat_statements_reset()");
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>One line for each of the dearest: its share of each of <paramref name="times"/> rounds.</summary>
    public async IAsyncEnumerable<string> Dearest(int most, int times)
    {
        await using var command = _server.CreateCommand("""
            select d.datname, s.calls, s.total_exec_time, s.rows, s.query
            from pg_stat_statements s join pg_database d on d.oid = s.dbid
            order by s.total_exec_time + s.calls * 0.05 desc limit $1
            """);
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = most });
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
            yield return $"{reader.GetDouble(2) / times,7:0.00} ms {(double)reader.GetInt64(1) / times,7:0.0} calls {(double)reader.GetInt64(3) / times,7:0.0} rows  "
                + $"{reader.GetString(0).Split('_')[0],-12} {Short(reader.GetString(4))}";
    }

    private static string Short(string statement) => Spaces().Replace(statement, " ") is var line && line.Length > 120 ? line[..120] + "…" : line;

    [GeneratedRegex(@"\s+")]
    private static partial Regex Spaces();

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
