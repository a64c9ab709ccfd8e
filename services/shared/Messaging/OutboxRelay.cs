using System.Diagnostics;
using System.Net.Mime;
using System.Text;
using Dapper;
using MassTransit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace ServiceDefaults.Messaging;

/// <summary>
/// Moves committed messages from the outbox to the broker: at least once, by any number of instances. What this
/// instance committed goes out from memory in the order of the commits, and leaves the table after the broker's
/// confirm; what is left behind in the table goes out in the order it was written. A broker that is away delays the
/// messages and nobody else: the table keeps them, and is worked off before anything goes out from memory again.
/// </summary>
public sealed class OutboxRelay(
    NpgsqlDataSource database, IBus bus, Outbox outbox, ILogger<OutboxRelay> log) : BackgroundService
{
    private const int BatchSize = 200;
    // each of them finds out by itself that the broker has gone, and says so in the log
    private const int AtOnce = 25;
    private static readonly TimeSpan Sweep = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ConfirmWithin = TimeSpan.FromSeconds(10);
    // what an instance has in memory is gone from the table long before
    private static readonly TimeSpan LeftBehind = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var (failures, behind, sweptAt) = (0, true, 0L);
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                behind |= outbox.Missed();
                if (behind)
                {
                    outbox.Forget();
                    // after a failure one message goes first: it finds out for all of them whether the broker is back
                    var size = failures == 0 ? BatchSize : 1;
                    behind = await FromTable(size, TimeSpan.Zero, stoppingToken) == size;
                }
                else if (outbox.Take(AtOnce) is { Count: > 0 } batch)
                {
                    await FromMemory(batch, stoppingToken);
                }
                else
                {
                    await outbox.Wait(Sweep, stoppingToken);
                }
                if (!behind && Stopwatch.GetElapsedTime(sweptAt) >= Sweep)
                {
                    sweptAt = Stopwatch.GetTimestamp();
                    behind = await FromTable(BatchSize, LeftBehind, stoppingToken) == BatchSize;
                }
                failures = 0;
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // the rows stand as they were and are tried again
                (failures, behind) = (failures + 1, true);
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("Outbox waits for broker or database ({Failures} tries): {Reason} {SqlState}",
                        failures, e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2000, 100 * failures)), stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task FromMemory(IReadOnlyList<OutboxMessage> batch, CancellationToken ct)
    {
        await Publish(batch, ct);
        // they are published: a service that stops now still says so
        await using var connection = await database.OpenConnectionAsync(CancellationToken.None);
        await connection.ExecuteAsync($"""
            {WaitForNoDisk};
            -- by both: a database that was restored gives the same number to another message
            delete from outbox using unnest(@ids, @messages) as published (id, message_id)
            where outbox.id = published.id and outbox.message_id = published.message_id
            """, new { ids = batch.Select(m => m.Id).ToArray(), messages = batch.Select(m => m.MessageId).ToArray() });
    }

    private async Task<int> FromTable(int size, TimeSpan age, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // skip locked: another instance's batch is not waited for; the delete becomes real after the confirms only
        await using var rows = await connection.QueryMultipleAsync($"""
            {WaitForNoDisk};
            with taken as (
                delete from outbox where id in (
                    select id from outbox where created_at <= now() - @age order by id limit @size for update skip locked)
                returning id, message_id, exchange, routing_key, body)
            select id, message_id, exchange, routing_key, body from taken order by id
            """, new { size, age }, transaction);
        await rows.ReadSingleAsync<string>();
        var batch = (await rows.ReadAsync<OutboxMessage>()).AsList();
        if (batch.Count == 0)
            return 0;
        await Publish(batch, ct);
        await transaction.CommitAsync(ct);
        return batch.Count;
    }

    // what a crash brings back is published again, and every hearer knows it by its id
    private const string WaitForNoDisk = "select set_config('synchronous_commit', 'off', true)";

    private async Task Publish(IReadOnlyList<OutboxMessage> batch, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ConfirmWithin);
        var confirms = new List<Task>(batch.Count);
        foreach (var message in batch)
            confirms.Add(Publish(message, timeout.Token));
        await Task.WhenAll(confirms);
    }

    private async Task Publish(OutboxMessage message, CancellationToken ct)
    {
        var exchange = await bus.GetSendEndpoint(new Uri($"exchange:{message.Exchange}?type=topic"));
        await exchange.Send(Stored.Instance, send =>
        {
            send.MessageId = message.MessageId;
            send.SetRoutingKey(message.RoutingKey);
            send.Serializer = new StoredBody(message.Body);
        }, ct);
    }

    // the type MassTransit sees; what goes over the wire is the stored body
    internal sealed class Stored
    {
        public static readonly Stored Instance = new();
    }

    private sealed class StoredBody(string body) : IMessageSerializer
    {
        private static readonly ContentType CloudEvent = new("application/cloudevents+json");

        public ContentType ContentType => CloudEvent;

        public MessageBody GetMessageBody<T>(SendContext<T> context) where T : class =>
            new BytesMessageBody(Encoding.UTF8.GetBytes(body));
    }
}
