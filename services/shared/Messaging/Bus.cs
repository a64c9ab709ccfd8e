using MassTransit;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace ServiceDefaults.Messaging;

/// <summary>What a service hears: a queue of its own, bound to chosen events of one topic exchange.</summary>
/// <param name="Queue">Name of the queue; starts with the service's name, or two services would share it.</param>
/// <param name="Exchange">Topic exchange of the publishing service.</param>
/// <param name="RoutingKeys">Event types, with AMQP wildcards.</param>
/// <param name="Consumer">The consumer's type.</param>
/// <param name="Prefetch">How many messages may be under way at once: bounds memory.</param>
/// <param name="Configure">Anything beyond that.</param>
public sealed record Subscription(
    string Queue,
    string Exchange,
    IReadOnlyList<string> RoutingKeys,
    Type Consumer,
    ushort Prefetch = 64,
    Action<IRabbitMqReceiveEndpointConfigurator>? Configure = null);

/// <summary>RabbitMQ through MassTransit: quorum queues, delivery limits and dead letters in one place.</summary>
public static class Bus
{
    /// <summary>Deliveries of one message before it is dead-lettered, e.g. when it kills the process each time.</summary>
    public const int DeliveryLimit = 20;

    /// <summary>Registers bus, outbox relay and the subscriptions of a service.</summary>
    public static void AddBus(this WebApplicationBuilder builder, params Subscription[] subscriptions)
    {
        var uri = builder.Configuration["RabbitMq:Uri"]
            ?? throw new InvalidOperationException("RabbitMq:Uri is missing, e.g. amqp://user:password@host:5672/referral.");
        builder.Services.AddSingleton<Outbox>();
        builder.Services.AddHostedService<OutboxRelay>();
        // a service serves HTTP while the broker is away
        builder.Services.AddOptions<MassTransitHostOptions>().Configure(o => o.WaitUntilStarted = false);
        builder.Services.AddMassTransit(bus =>
        {
            // nothing about a hospital's system goes to anybody
            bus.DisableUsageTelemetry();
            // a missing broker delays events and stops no request: ready, but degraded
            bus.ConfigureHealthCheckOptions(health =>
            {
                health.Name = "broker";
                health.MinimalFailureStatus = HealthStatus.Degraded;
            });
            foreach (var subscription in subscriptions)
                bus.AddConsumer(subscription.Consumer);
            bus.UsingRabbitMq((context, rabbit) =>
            {
                rabbit.Host(new Uri(uri), host => Join(host, builder.Configuration["RabbitMq:Nodes"]));
                rabbit.UseRawJsonDeserializer(RawSerializerOptions.AnyMessageType, isDefault: true);
                rabbit.ConfigureJsonSerializerOptions(Json.With);
                foreach (var subscription in subscriptions)
                    rabbit.ReceiveEndpoint(subscription.Queue, endpoint => Hear(endpoint, subscription, context));
            });
        });
    }

    // a node that is gone is no reason to wait for it: the connection goes to the next one
    private static void Join(IRabbitMqHostConfigurator host, string? nodes)
    {
        if (nodes is null)
            return;
        host.UseCluster(cluster =>
        {
            foreach (var node in nodes.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
                cluster.Node(node);
        });
    }

    private static void Hear(IRabbitMqReceiveEndpointConfigurator endpoint, Subscription subscription, IBusRegistrationContext context)
    {
        endpoint.ConfigureConsumeTopology = false;
        // the error queue keeps what failed and why; nobody listens for faults
        endpoint.PublishFaults = false;
        endpoint.PrefetchCount = subscription.Prefetch;
        endpoint.SetQuorumQueue();
        endpoint.SetQueueArgument("x-delivery-limit", DeliveryLimit);
        endpoint.SetQueueArgument("x-dead-letter-exchange", subscription.Queue + "-dead");
        endpoint.SetQueueArgument("x-dead-letter-strategy", "at-least-once");
        endpoint.SetQueueArgument("x-overflow", "reject-publish");
        endpoint.BindDeadLetterQueue(subscription.Queue + "-dead", subscription.Queue + "-dead", dead =>
        {
            dead.SetQuorumQueue();
        });
        foreach (var key in subscription.RoutingKeys)
            endpoint.Bind(subscription.Exchange, exchange =>
            {
                exchange.ExchangeType = "topic";
                exchange.RoutingKey = key;
            });
        // a database that is away is waited for, for hours: that is no message's fault
        endpoint.UseMessageRetry(retry =>
        {
            retry.Handle<NpgsqlException>(e => e.IsTransient || e is PostgresException { SqlState: ['5', '7', ..] or ['5', '3', ..] });
            retry.Interval(10_000, TimeSpan.FromSeconds(1));
        });
        // what a moment of trouble caused is tried again; what stays broken goes to <queue>_error with its reason
        endpoint.UseMessageRetry(retry => retry.Exponential(6, TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(10), TimeSpan.FromMilliseconds(200)));
        subscription.Configure?.Invoke(endpoint);
        endpoint.ConfigureConsumer(context, subscription.Consumer);
    }
}
