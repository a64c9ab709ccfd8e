using System.Collections.Concurrent;
using System.Text.Json;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Deployed;

/// <summary>A queue of the test's own at an exchange: it sees every repetition that goes over the wire.</summary>
public sealed class Wire : IAsyncDisposable
{
    private readonly IConnection _connection;
    private readonly string _exchange;
    private readonly ConcurrentQueue<Heard> _heard = new();

    /// <summary>One delivery, with the bytes that came.</summary>
    public sealed record Heard(Guid MessageId, string Type, string Subject, byte[] Body, IReadOnlyBasicProperties Properties);

    private Wire(IConnection connection, string exchange) => (_connection, _exchange) = (connection, exchange);

    public static async Task<Wire> Listen(string uri, string exchange)
    {
        var wire = new Wire(await new ConnectionFactory { Uri = new Uri(uri), AutomaticRecoveryEnabled = false }.CreateConnectionAsync(), exchange);
        var channel = await wire._connection.CreateChannelAsync();
        await channel.ExchangeDeclareAsync(exchange, ExchangeType.Topic, durable: true);
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.QueueBindAsync(queue, exchange, "#");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, delivery) =>
        {
            using var body = JsonDocument.Parse(delivery.Body);
            // a request for a notice is no CloudEvent
            string Member(string name) => body.RootElement.TryGetProperty(name, out var member) ? member.GetString()! : "";
            wire._heard.Enqueue(new(body.RootElement.GetProperty("id").GetGuid(), Member("type"), Member("subject"), delivery.Body.ToArray(),
                new BasicProperties(delivery.BasicProperties)));
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
        return wire;
    }

    /// <summary>Everything that has come, repetitions included.</summary>
    public IReadOnlyList<Heard> All => [.. _heard];

    /// <summary>Everything that has come about one referral, repetitions included.</summary>
    public IReadOnlyList<Heard> About(string referralNo) => [.. _heard.Where(h => h.Subject == referralNo)];

    /// <summary>Says these again, as a broker does that lost an acknowledgement: the same bytes under the same id.</summary>
    public async Task Repeat(IEnumerable<Heard> messages)
    {
        await using var channel = await _connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        foreach (var message in messages)
            await channel.BasicPublishAsync(_exchange, message.Type, mandatory: false, new BasicProperties(message.Properties), message.Body);
    }

    public ValueTask DisposeAsync() => _connection.DisposeAsync();
}
