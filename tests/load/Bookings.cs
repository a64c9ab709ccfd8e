using System.Collections.Concurrent;
using System.Text.Json;
using Deployed;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;

namespace Load;

/// <summary>
/// Tells when a referral is booked, as a subscriber hears it: from the broker, without asking anybody.
/// </summary>
internal sealed class Bookings(Alliance alliance) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource> _booked = new();
    private IConnection? _connection;

    public async Task Listen()
    {
        _connection = await new ConnectionFactory { Uri = new Uri(alliance.RabbitMq) }.CreateConnectionAsync();
        var channel = await _connection.CreateChannelAsync();
        var queue = (await channel.QueueDeclareAsync()).QueueName;
        await channel.QueueBindAsync(queue, "referral-events", "referral.*.scheduled");
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += (_, told) =>
        {
            var reader = new Utf8JsonReader(told.Body.Span);
            using var body = JsonDocument.ParseValue(ref reader);
            Told(body.RootElement.GetProperty("data").GetProperty("id").GetGuid()).TrySetResult();
            return Task.CompletedTask;
        };
        await channel.BasicConsumeAsync(queue, autoAck: true, consumer);
    }

    public async Task Of(Guid referral)
    {
        await Told(referral).Task.WaitAsync(TimeSpan.FromSeconds(20));
        _booked.TryRemove(referral, out _);
    }

    private TaskCompletionSource Told(Guid referral) => _booked.GetOrAdd(referral, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));

    public async ValueTask DisposeAsync()
    {
        if (_connection is not null)
            await _connection.DisposeAsync();
    }
}
