using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using RabbitMQ.Client;

namespace ServiceDefaults.Messaging;

/// <summary>
/// Puts failed messages back before their consumer: those that no try could handle (<c>QUEUE_error</c>) and those
/// that were delivered too often (<c>QUEUE-dead</c>). Handling is idempotent, so this is safe at any time.
/// </summary>
public static class Redrive
{
    /// <summary>Runs <c>redrive QUEUE</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunRedrive(this WebApplication app, string[] args)
    {
        if (args is not ["redrive", var queue])
            return false;
        var moved = await Run(app.Configuration["RabbitMq:Uri"]!, queue);
        Console.WriteLine($"{moved} message(s) went back to {queue}.");
        return true;
    }

    /// <summary>Moves what lies there now, each one acknowledged only after its return was confirmed.</summary>
    public static async Task<int> Run(string uri, string queue)
    {
        await using var connection = await new ConnectionFactory { Uri = new Uri(uri) }.CreateConnectionAsync();
        var moved = 0;
        foreach (var source in new[] { queue + "_error", queue + "-dead" })
        {
            await using var channel = await connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
            uint waiting;
            try
            {
                waiting = (await channel.QueueDeclarePassiveAsync(source)).MessageCount;
            }
            catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
            {
                // nothing has failed yet: the queue is made by the first failure
                continue;
            }
            // no more than there were: one that fails again at once is not moved in a circle
            for (; waiting > 0 && await channel.BasicGetAsync(source, autoAck: false) is { } failed; waiting--)
            {
                var properties = new BasicProperties(failed.BasicProperties);
                foreach (var mark in properties.Headers?.Keys.Where(k => k.StartsWith("MT-", StringComparison.Ordinal) || k.StartsWith("x-", StringComparison.Ordinal)).ToArray() ?? [])
                    properties.Headers!.Remove(mark);
                await channel.BasicPublishAsync("", queue, mandatory: true, properties, failed.Body);
                await channel.BasicAckAsync(failed.DeliveryTag, multiple: false);
                moved++;
            }
        }
        return moved;
    }
}
