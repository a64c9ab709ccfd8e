using System.Diagnostics;
using System.Globalization;
using Npgsql;
using TestKit;

namespace Load;

/// <summary>pgbench with the least SQL a move could be: one update, one history row, one outbox row, one commit.</summary>
internal sealed class Yardstick
{
    private const string Tables = """
        create table if not exists yard_row (id int primary key, version bigint not null, body text not null);
        create table if not exists yard_history (id bigint generated always as identity primary key, row_id int, version bigint, body text);
        create table if not exists yard_outbox (id bigint generated always as identity primary key, row_id int, body text);
        insert into yard_row select n, 0, repeat('x', 400) from generate_series(1, 10000) n on conflict do nothing;
        """;

    private const string Script = """
        \set id random(1, 10000)
        begin;
        update yard_row set version = version + 1 where id = :id;
        insert into yard_history (row_id, version, body) values (:id, 1, repeat('h', 200));
        insert into yard_outbox (row_id, body) values (:id, repeat('o', 600));
        end;
        """;

    /// <summary>Transactions per second with this many clients.</summary>
    public async Task<double> Measure(int clients, int seconds)
    {
        var server = new NpgsqlConnectionStringBuilder(Servers.Postgres);
        await using (var connection = new NpgsqlConnection(Servers.Postgres))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(Tables, connection);
            await command.ExecuteNonQueryAsync();
        }
        var script = Path.GetTempFileName();
        await File.WriteAllTextAsync(script, Script);
        var pgbench = Directory.GetFiles("/usr/lib/postgresql", "pgbench", SearchOption.AllDirectories).Order().Last();
        var start = new ProcessStartInfo(pgbench,
            ["-n", "-M", "prepared", "-c", clients.ToString(), "-j", "2", "-T", seconds.ToString(), "-f", script,
             "-h", server.Host!, "-p", server.Port.ToString(), "-U", server.Username!, server.Database!])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["PGPASSWORD"] = server.Password },
        };
        using var process = Process.Start(start)!;
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        File.Delete(script);
        var line = output.Split('\n').FirstOrDefault(l => l.StartsWith("tps = ", StringComparison.Ordinal))
            ?? throw new InvalidOperationException("pgbench told no figure: " + output);
        return double.Parse(line.Split(' ')[2], CultureInfo.InvariantCulture);
    }
}
