using System.Net.Mime;
using System.Text;
using Dapper;
using MassTransit;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace ServiceDefaults.Messaging;

/// <summary>
/// Moves committed messages from the outbox to the broker: at least once, in the order they were written, by any
/// number of instances. A broker that is away delays the messages and nobody else.
/// </summary>
public sealed class OutboxRelay(
    NpgsqlDataSource database, IBus bus, OutboxSignal signal, ILogger<OutboxRelay> log) : BackgroundService
{
    private const int BatchSize = 200;
    private static readonly TimeSpan Sweep = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan ConfirmWithin = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                // after a failure one message goes first: it finds out for all of them whether the broker is back
                var size = failures == 0 ? BatchSize : 1;
                while (await Relay(size, stoppingToken) == size)
                    size = BatchSize;
                failures = 0;
                await signal.Wait(Sweep, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // the transaction rolled back: the rows stand as they were and are tried again
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("Outbox waits for broker or database ({Failures} tries): {Reason} {SqlState}",
                        failures, e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2000, 100 * failures)), stoppingToken)
                    .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<int> Relay(int size, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // skip locked: another instance's batch is not waited for; the delete becomes real after the confirms only. Its
        // commit waits for no disk: what a crash brings back is published again, and every hearer knows it by its id.
        var batch = (await connection.QueryAsync<OutboxMessage>("""
            set local synchronous_commit = off;
            with taken as (
                delete from outbox where id in (
                    select id from outbox order by id limit @size for update skip locked)
                returning id, message_id, exchange, routing_key, body)
            select message_id, exchange, routing_key, body from taken order by id
            """, new { size }, transaction)).AsList();
        if (batch.Count == 0)
            return 0;

        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ConfirmWithin);
        var confirms = new List<Task>(batch.Count);
        foreach (var message in batch)
            confirms.Add(Publish(message, timeout.Token));
        await Task.WhenAll(confirms);
        await transaction.CommitAsync(ct);
        return batch.Count;
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
