using System.Diagnostics;
using System.Globalization;
using Deployed;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using RabbitMQ.Client;
using TestKit;

namespace Load;

/// <summary>What the parts can do without us, measured in the same run: the figures of the steps mean something beside these only.</summary>
internal static class Yardstick
{
    private const string Tables = """
        create table if not exists yard_row (id int primary key, version bigint not null, body text not null);
        create table if not exists yard_history (id bigint generated always as identity primary key, row_id int, version bigint, body text);
        create table if not exists yard_outbox (id bigint generated always as identity primary key, row_id int, body text);
        insert into yard_row select n, 0, repeat('x', 400) from generate_series(1, 10000) n on conflict do nothing;
        """;

    private const string Move = """
        \set id random(1, 10000)
        begin;
        update yard_row set version = version + 1 where id = :id;
        insert into yard_history (row_id, version, body) values (:id, 1, repeat('h', 200));
        insert into yard_outbox (row_id, body) values (:id, repeat('o', 600));
        end;
        """;

    /// <summary>The least SQL that a move could be: one update, one history row, one outbox row, one commit.</summary>
    public static async Task<Result> Moves(int clients, int seconds)
    {
        await using (var connection = new NpgsqlConnection(Servers.Postgres))
        {
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand(Tables, connection);
            await command.ExecuteNonQueryAsync();
        }
        return await Pgbench($"pgbench: BEGIN, update, two inserts, END; {clients} clients", Servers.Postgres, Move, clients, seconds);
    }

    /// <summary>The query of the worklist, sent by pgbench.</summary>
    public static Task<Result> Worklist(Alliance alliance, int seconds) => Pgbench("pgbench: the worklist's query; 8 clients", alliance.Referral.Database.Super, $"""
        select * from referral where receiver = '{Alliance.Tertiary}' and submitted_at is not null and ended_at is null
        order by listed_at desc, id desc limit 21;
        """, 8, seconds);

    /// <summary>The query of the detail, sent by pgbench.</summary>
    public static Task<Result> Detail(Alliance alliance, Guid referral, int seconds) => Pgbench("pgbench: the detail's query; 8 clients", alliance.Referral.Database.Super,
        $"select r.*, p.wrapped_key from referral r join patient p on p.id = r.patient_id where r.id = '{referral}';", 8, seconds);

    private static async Task<Result> Pgbench(string name, string database, string script, int clients, int seconds)
    {
        var server = new NpgsqlConnectionStringBuilder(database);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, script);
        var pgbench = Directory.GetFiles("/usr/lib/postgresql", "pgbench", SearchOption.AllDirectories).Order().Last();
        var start = new ProcessStartInfo(pgbench,
            ["-n", "-M", "prepared", "-c", clients.ToString(), "-j", "2", "-T", seconds.ToString(), "-f", file,
             "-h", server.Host!, "-p", server.Port.ToString(), "-U", server.Username!, server.Database!])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, Environment = { ["PGPASSWORD"] = server.Password },
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        File.Delete(file);
        double Figure(string line) => output.Split('\n').FirstOrDefault(l => l.StartsWith(line, StringComparison.Ordinal)) is { } found
            ? double.Parse(found[line.Length..].Split(' ')[0], CultureInfo.InvariantCulture)
            : throw new InvalidOperationException("pgbench told no figure: " + output + errors.Result);
        return new(name, Figure("tps = "), null);
    }

    /// <summary>One kilobyte to a quorum queue and back, each publish confirmed, 200 on their way.</summary>
    public static async Task<Result> Broker(string uri, int seconds)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync();
        await using var channel = await connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        const string queue = "load-yardstick";
        await channel.QueueDeclareAsync(queue, durable: true, exclusive: false, autoDelete: false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" });
        await channel.BasicQosAsync(0, 200, false);
        await using var reading = await connection.CreateChannelAsync();
        await reading.BasicQosAsync(0, 200, false);
        var taken = 0;
        var consumer = new RabbitMQ.Client.Events.AsyncEventingBasicConsumer(reading);
        consumer.ReceivedAsync += async (_, delivered) =>
        {
            Interlocked.Increment(ref taken);
            await reading.BasicAckAsync(delivered.DeliveryTag, false);
        };
        await reading.BasicConsumeAsync(queue, autoAck: false, consumer);
        var (body, properties) = (new byte[1024], new BasicProperties { Persistent = true });
        var clock = Stopwatch.StartNew();
        while (clock.Elapsed.TotalSeconds < seconds)
            await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => channel.BasicPublishAsync("", queue, false, properties, body).AsTask()));
        var result = new Result("RabbitMQ: 1 kB confirmed and consumed, quorum queue", taken / clock.Elapsed.TotalSeconds, null);
        await channel.QueueDeleteAsync(queue);
        return result;
    }

    /// <summary>A Kestrel that says hello, asked by the same clients as the services.</summary>
    public static async Task<Result> Hello(int seconds)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        await using var app = builder.Build();
        app.MapGet("/", () => "hello");
        await app.StartAsync();
        using var client = new HttpClient { BaseAddress = new Uri(app.Urls.Single()) };
        return await Closed.Loop("Kestrel: hello; 8 clients", 8, seconds, async () =>
        {
            using var answer = await client.GetAsync("/");
            return answer.IsSuccessStatusCode;
        });
    }
}
