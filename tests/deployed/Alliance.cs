using Dapper;
using Npgsql;
using TestKit;

namespace Deployed;

/// <summary>
/// The three services as they are deployed: real processes on databases and a virtual host of their own, with the demo
/// alliance loaded. Tests kill parts of it; <see cref="Heal"/> brings everything back.
/// </summary>
public class Alliance : IAsyncDisposable
{
    public const string Township = "12210681DEM0001022";
    public const string OtherTownship = "12210681DEM00009X9";
    public const string Tertiary = "12210600DEM0000149";

    private readonly Dictionary<string, TestDatabase> _databases = [];
    private readonly List<Service> _others = [];
    private bool _brokerIsDown, _postgresIsDown;

    /// <summary>Changes what each service is started with.</summary>
    public Action<string, Dictionary<string, string>>? Change { get; init; }

    public string RabbitMq { get; private set; } = "";
    public Service Referral { get; private set; } = null!;
    public Service Scheduling { get; private set; } = null!;
    public Service Notification { get; private set; } = null!;
    public IReadOnlyList<Service> Services => [Referral, Scheduling, Notification];

    /// <summary>Instances beyond the first of each, those that ended among them.</summary>
    public IReadOnlyList<Service> Others
    {
        get
        {
            lock (_others)
                return [.. _others];
        }
    }

    /// <summary>When it was healed last: what happened before is an earlier test's.</summary>
    public DateTimeOffset Began { get; private set; }

    /// <summary>Counts what happened from then on as this test's.</summary>
    public void CountFrom(DateTimeOffset began) => Began = began;

    public static string Demo => Path.Combine(AppContext.BaseDirectory, "demo");

    /// <summary>Makes databases and virtual host, and starts everything.</summary>
    public async Task Open()
    {
        var virtualHost = Servers.NewVirtualHost();
        foreach (var service in Programs.All)
            _databases[service] = await NewDatabase(service);
        await Task.WhenAll(Programs.All.Select(service => Programs.Run(service, Settings(service, migrating: true), "migrate")));
        RabbitMq = await virtualHost;
        await Programs.Run("referral", Settings("referral"), "import", Demo);
        (Referral, Scheduling, Notification) = (New("referral"), New("scheduling"), New("notification"));
        await Heal();
        await Supply.Publish(this);
    }

    /// <summary>Another instance of a service on the same database and virtual host.</summary>
    /// <param name="change">Changes what it is started with.</param>
    /// <param name="through">A program that becomes the service, as words before its own.</param>
    public async Task<Service> Another(string service, Action<Dictionary<string, string>>? change = null, params string[] through)
    {
        var settings = Settings(service);
        change?.Invoke(settings);
        var other = new Service(service, _databases[service], settings, through);
        lock (_others)
            _others.Add(other);
        await other.Start();
        return other;
    }

    /// <summary>Starts again whatever a test has stopped, and ends instances beyond the first.</summary>
    public async Task Heal()
    {
        if (_postgresIsDown)
            await StartPostgres();
        if (_brokerIsDown)
            await StartBroker();
        foreach (var other in _others)
            await other.DisposeAsync();
        _others.Clear();
        foreach (var database in _databases.Values)
            await Hold.RemoveAll(database);
        await Task.WhenAll(Services.Select(service => service.Start()));
        Began = DateTimeOffset.UtcNow;
    }

    public async Task StopBroker()
    {
        _brokerIsDown = true;
        await Servers.Control("broker-stop");
    }

    public async Task StartBroker()
    {
        await Servers.Control("broker-start");
        _brokerIsDown = false;
    }

    /// <summary>PostgreSQL ends: <c>immediate</c> without a word to anybody, as in a crash of its machine, or <c>fast</c>.</summary>
    public async Task StopPostgres(string mode = "immediate")
    {
        _postgresIsDown = true;
        await Servers.Control("postgres-stop", mode);
        NpgsqlConnection.ClearAllPools();
    }

    public async Task StartPostgres()
    {
        await Servers.Control("postgres-start");
        _postgresIsDown = false;
    }

    private Service New(string service) => new(service, _databases[service], Settings(service), []);

    /// <summary>What a service is started with.</summary>
    public Dictionary<string, string> Settings(string service, bool migrating = false)
    {
        var settings = new Dictionary<string, string>
        {
            ["ASPNETCORE_ENVIRONMENT"] = "Test",
            ["ConnectionStrings__Database"] = _databases[service].App,
            ["RabbitMq__Uri"] = migrating ? "amqp://none@127.0.0.1:1/none" : RabbitMq,
            ["Auth__Issuer"] = Issuer.Name,
            ["Auth__Audience"] = Issuer.Audience,
            ["Auth__DevelopmentKeyFile"] = Issuer.Shared.KeyFile,
            ["Patients__KeyFile"] = Issuer.Shared.SecretFile,
            ["Codes__KeyFile"] = Issuer.Shared.SecretFile,
            // a load asks with few tokens and as fast as it can
            ["RateLimits__PerSecond"] = "1000000",
            ["RateLimits__Burst"] = "1000000",
            ["DOTNET_TieredPGO"] = "0",
            ["DOTNET_gcServer"] = "0",
        };
        if (migrating)
            settings["ConnectionStrings__Owner"] = _databases[service].Owner;
        if (service == "notification")
        {
            // without this line no webhook may go to a loopback address
            settings["Webhooks__AllowedAddresses__0"] = "127.0.0.1/32";
            // what is minutes and hours for a partner is seconds for a test
            settings["Webhooks__Schedule"] = "0s 1s 1s 2s 2s 5s 5s 5s 5s 5s 5s 5s 5s 5s 5s 5s 5s 10s 10s 1m";
            settings["Webhooks__Timeout"] = "00:00:03";
            settings["Webhooks__Lease"] = "00:00:05";
            // whichever instance hears of a notice says when it is due: at any hour the tests run
            settings["Notices__QuietHours"] = "00:00-00:00";
        }
        Change?.Invoke(service, settings);
        return settings;
    }

    private static async Task<TestDatabase> NewDatabase(string service)
    {
        var name = $"{service}_{Guid.NewGuid().ToString("n")[..12]}";
        await using (var admin = new NpgsqlConnection(Servers.Postgres))
            await admin.ExecuteAsync($"create database {name} owner {service}_owner");
        string As(string user) => new NpgsqlConnectionStringBuilder(Servers.Postgres)
        {
            Database = name, Username = user, Password = Servers.RolePassword,
        }.ConnectionString;
        return new(As(service + "_app"), As(service + "_owner"), new NpgsqlConnectionStringBuilder(Servers.Postgres) { Database = name }.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _others.Concat(Services))
            if (service is not null)
                await service.DisposeAsync();
        if (_postgresIsDown)
            await StartPostgres();
        if (_brokerIsDown)
            await StartBroker();
        foreach (var database in _databases.Values)
            await database.DisposeAsync();
    }
}
