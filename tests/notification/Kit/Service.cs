using System.Text;
using RabbitMQ.Client;
using Referrals.Contracts;

namespace NotificationService.Tests;

/// <summary>The service in this process (not sealed: a test class with other settings names them in a class of its own), on a database and a virtual host of its own, and a publisher that plays the others.</summary>
public class Service : IAsyncLifetime
{
    private readonly TestClock? _clock;
    private readonly Dictionary<string, string> _settings;
    private ServiceHost<Program> _host = null!;
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    public Service() : this(null)
    {
    }

    protected Service(TestClock? clock, params (string Name, string Value)[] settings)
    {
        _clock = clock;
        _settings = new() { ["Webhooks:AllowedAddresses:0"] = "127.0.0.1/32", ["Webhooks:Rest"] = "00:00:00.6" };
        foreach (var (name, value) in settings)
            _settings[name] = value;
    }

    /// <summary>True: over sockets of the loopback, as a caller elsewhere would come, and not in memory.</summary>
    protected virtual bool OverSockets => false;

    public TestDatabase Database { get; private set; } = null!;
    public string RabbitMq { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Database = await TestDatabase.Create("notification", typeof(Program).Assembly);
        RabbitMq = await Servers.NewVirtualHost();
        await StartHost();
        _connection = await new ConnectionFactory { Uri = new Uri(RabbitMq) }.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(true, true));
    }

    public async Task DisposeAsync()
    {
        await _connection.DisposeAsync();
        await StopHost();
        await Database.DisposeAsync();
    }

    public async Task StartHost()
    {
        _host = new ServiceHost<Program>(Database.App, RabbitMq, _clock, _settings);
        if (OverSockets)
            _host.UseKestrel(kestrel => kestrel.Listen(System.Net.IPAddress.Loopback, 0));
        using var client = _host.As(null);
        // an exchange that nobody has bound a queue to yet drops what it gets
        await Eventually.Is(async () => (await client.GetStringAsync("/health/ready")).Contains("\"healthy\"}"), "the bus is up", 30);
    }

    public async Task StopHost() => await _host.DisposeAsync();

    public HttpClient Anonymous() => _host.As(null);

    public HttpClient As(string institution, string role = "Machine", string subject = "his") =>
        _host.As(Issuer.Shared.Token(institution, role, subject));

    public HttpClient WithToken(string token) => _host.As(token);

    /// <summary>Publishes with a confirm, as the service that owns the exchange does.</summary>
    public async Task Publish(string body, string key, string exchange = ReferralEvents.Exchange) =>
        await _channel.BasicPublishAsync(exchange, key, false,
            new BasicProperties { ContentType = CloudEvents.MediaType, Persistent = true, MessageId = Guid.NewGuid().ToString() },
            Encoding.UTF8.GetBytes(body));

    internal Task Publish(TestEvent e) => Publish(e.Body, e.Type, e.Exchange);

    internal async Task Publish(params TestEvent[] events)
    {
        foreach (var e in events)
            await Publish(e);
    }

    public async Task<long> Count(string sql, object? parameters = null) => (await Database.Query<long>("select count(*) from " + sql, parameters))[0];

    internal Task Logged(TestEvent e) => Eventually.Is(
        async () => await Count("event where event_id = @Id", new { e.Id }) == 1, $"{e.Type} {e.Sequence} is in the log");
}

[CollectionDefinition("service")]
public sealed class SharedService : ICollectionFixture<Service>;
