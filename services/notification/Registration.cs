using System.Net;
using ServiceDefaults.Telemetry;

namespace NotificationService;

/// <summary>The parts of this service.</summary>
internal static class Registration
{
    /// <summary>One sentence for each tag of the OpenAPI document.</summary>
    public static readonly IReadOnlyDictionary<string, string> Sections = new Dictionary<string, string>
    {
        ["Events"] = "Everything your institution is a party of, in one feed, also as a stream.",
        ["Endpoints"] = "Addresses for webhooks, and the secrets that sign them.",
        ["Attempts"] = "What came of each delivery.",
        ["Inbox"] = "What the staff of your institution has not seen yet.",
        ["Broker users"] = "Your institution's own exchange on the broker, for software that speaks AMQP.",
        ["Audit"] = "Who did or was refused what.",
    };

    /// <summary>Heard, ordered, logged.</summary>
    public static void AddFeed(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(FeedSettings.From(builder.Configuration));
        builder.Services.AddSingleton<Telemetry>();
        builder.Services.AddSingleton<Signals>();
        builder.Services.AddSingleton<Intake>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Intake>());
        builder.Services.AddSingleton<Sequencer>();
        builder.Services.AddHostedService(services => services.GetRequiredService<Sequencer>());
        builder.Services.AddSingleton(StreamSettings.From(builder.Configuration));
        builder.Services.AddSingleton<StreamPump>();
        builder.Services.AddHostedService(services => services.GetRequiredService<StreamPump>());
    }

    /// <summary>Messages, endpoints, attempts.</summary>
    public static void AddWebhooks(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(WebhookSettings.From(builder.Configuration));
        builder.Services.AddSingleton<Lookup>(Dns.GetHostAddressesAsync);
        builder.Services.AddSingleton<AddressGuard>();
        builder.Services.AddSingleton<Secrets>();
        builder.Services.AddSingleton<Delivery>();
        builder.Services.AddSingleton<EndpointHealth>();
        builder.Services.AddSingleton<Recorder>();
        builder.Services.AddHostedService<Dispatcher>();
        builder.Services.AddSingleton(new StoredGauge("notification_messages_waiting", "Webhook messages not yet delivered, counted up to 100000.",
            "select count(*)::float8 from (select from message where state = 'Waiting' limit 100000) m"));
        builder.Services.AddSingleton(new StoredGauge("notification_endpoints_disabled", "Endpoints that were given up.",
            "select count(*)::float8 from endpoint where state = 'Disabled' and deleted_at is null"));
        builder.Services.AddHostedService<CatchUp>();
        builder.Services.AddHostedService<Replayer>();
        builder.Services.AddHostedService<Retention>();
    }

    /// <summary>A copy of the log for each institution that reads it over AMQP.</summary>
    public static void AddExchanges(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<BrokerManagement>();
        builder.Services.AddHostedService<BrokerUserKeeper>();
        builder.Services.AddHostedService<ExchangePublisher>();
    }

    /// <summary>What people are told: staff by their inbox, patients by text message or e-mail.</summary>
    public static void AddNotices(this WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton(NoticeSettings.From(builder.Configuration));
        builder.Services.AddSingleton<NoticeTemplates>();
        builder.Services.AddSingleton<NoticeChannels>();
        builder.Services.AddHostedService<NoticeSender>();
        builder.Services.AddHostedService<InboxWriter>();
    }
}
