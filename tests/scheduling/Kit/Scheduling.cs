using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Dapper;
using MassTransit;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using Referrals.Contracts;
using SchedulingService.Needs;

namespace SchedulingService.Tests.Kit;

/// <summary>The service on real PostgreSQL and RabbitMQ, and the other services' side of the broker. The clock stands.</summary>
public sealed class Scheduling : IAsyncLifetime
{
    public const string Name = "scheduling";
    public static readonly DateTimeOffset Monday = new(2027, 1, 4, 0, 0, 0, TimeSpan.Zero);

    private readonly ConcurrentDictionary<Guid, List<JsonElement>> _said = new();
    private readonly ConcurrentDictionary<string, List<JsonElement>> _capacity = new();
    private readonly Consumed _consumed = new();
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    internal ServiceHost<Program> Host { get; private set; } = null!;
    public TestDatabase Database { get; private set; } = null!;
    public TestClock Clock { get; } = new(Monday);

    /// <summary>Advances the clock to the first moment of the next week that begins as <see cref="Monday"/> does.</summary>
    public void NextMondayComes()
    {
        var now = Clock.GetUtcNow();
        Clock.Advance(Monday.AddDays(7 * (int)((now - Monday).TotalDays / 7 + 1)) - now);
    }

    /// <summary>The round that serves whoever was passed over.</summary>
    public Task ServesPassedOver() => Host.Services.GetRequiredService<Waiting.ServePassedOver>().Round.Look(CancellationToken.None);

    public async Task InitializeAsync()
    {
        Database = await TestDatabase.Create(Name, typeof(Program).Assembly);
        var broker = await Servers.NewVirtualHost();
        Host = new(Database.App, broker, Clock, new Dictionary<string, string>
        {
            ["Capacity:TellEvery"] = "00:00:00.1", ["Sessions:LookEvery"] = "00:00:00.2",
            ["Bookings:LookEvery"] = "00:00:00.1", ["Waiting:LookEvery"] = "00:00:00.1",
            // a round that serves whoever was passed over would hide that he was: tests go it where they mean it
            ["Waiting:ServeEvery"] = "1.00:00:00",
            ["Retention:LookEvery"] = "00:00:01",
        });
        var bus = Host.Services.GetRequiredService<IBusControl>();
        bus.ConnectConsumeObserver(_consumed);
        await bus.WaitForHealthStatus(BusHealthStatus.Healthy, TimeSpan.FromSeconds(20));

        _connection = await new ConnectionFactory { Uri = new(broker) }.CreateConnectionAsync();
        _channel = await _connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true));
        await _channel.ExchangeDeclareAsync(SchedulingEvents.Exchange, "topic", durable: true);
        var queue = (await _channel.QueueDeclareAsync()).QueueName;
        await _channel.QueueBindAsync(queue, SchedulingEvents.Exchange, "#");
        var listener = new AsyncEventingBasicConsumer(_channel);
        listener.ReceivedAsync += (_, delivery) =>
        {
            using var document = JsonDocument.Parse(delivery.Body);
            var body = document.RootElement.Clone();
            if (body.GetProperty("data").TryGetProperty("referralId", out var referral))
                _said.AddOrUpdate(referral.GetGuid(), [body], (_, bodies) => [.. bodies, body]);
            else
                _capacity.AddOrUpdate(body.GetProperty("subject").GetString()!, [body], (_, bodies) => [.. bodies, body]);
            return Task.CompletedTask;
        };
        await _channel.BasicConsumeAsync(queue, autoAck: true, listener);
    }

    public async Task DisposeAsync()
    {
        await _connection.DisposeAsync();
        await Host.DisposeAsync();
        await Database.DisposeAsync();
    }

    /// <summary>Holds a lock of the service's until it is disposed of, whatever happens: it has no pool to live on in.</summary>
    public async Task<NpgsqlConnection> Gate(string name)
    {
        var gate = new NpgsqlConnection(Database.Super + ";Pooling=false");
        await gate.OpenAsync();
        await gate.ExecuteAsync("select pg_advisory_lock(hashtextextended(@name, 0))", new { name });
        return gate;
    }

    /// <summary>Returns when the one statement that is like this waits for a lock that the test has taken.</summary>
    public Task StandsAtAGate(string statement) => Eventually.Is(async () => (await Database.Query<int>("""
        select count(*)::int from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and wait_event = 'advisory' and query like @statement
        """, new { statement })).Single() == 1, $"'{statement}' stands at the gate");

    internal Institution NewInstitution() => new(this, "T" + Guid.NewGuid().ToString("n")[..17].ToUpperInvariant());

    /// <summary>Publishes events of the referral service without waiting for their effect.</summary>
    internal async Task Publish(string routingKey, string body)
    {
        await _channel.BasicPublishAsync(ReferralEvents.Exchange, routingKey, mandatory: true,
            new BasicProperties { ContentType = CloudEvents.MediaType, Persistent = true }, Encoding.UTF8.GetBytes(body));
    }

    /// <summary>Publishes events in this order, one after the other, and waits until each had its effect.</summary>
    internal async Task Hears(params ReferralEvent[] events)
    {
        foreach (var heard in events)
        {
            var done = _consumed.Next(heard.Id);
            await Publish(heard.Type, AReferral.Write(heard));
            await done.WaitAsync(TimeSpan.FromSeconds(20));
        }
    }

    /// <summary>Publishes all at once and waits for the last effect.</summary>
    internal async Task HearsAtOnce(IEnumerable<ReferralEvent> events)
    {
        var all = events.ToList();
        var done = all.Select(e => _consumed.Next(e.Id)).ToList();
        await Task.WhenAll(all.Select(e => Publish(e.Type, AReferral.Write(e))));
        await Task.WhenAll(done).WaitAsync(TimeSpan.FromSeconds(60));
    }

    /// <summary>Messages that could not be handled.</summary>
    internal async Task<uint> InErrorQueue()
    {
        await using var channel = await _connection.CreateChannelAsync();
        try
        {
            return (await channel.QueueDeclarePassiveAsync("scheduling-referral-events_error")).MessageCount;
        }
        catch (RabbitMQ.Client.Exceptions.OperationInterruptedException)
        {
            return 0;
        }
    }

    /// <summary>What the outside has heard about a referral, once nothing is left in the outbox.</summary>
    internal async Task<IReadOnlyList<JsonElement>> Said(AReferral referral)
    {
        var written = 0;
        await Eventually.Is(async () => (await Database.Query<int>("select count(*)::int from outbox")).Single() == 0, "the outbox is empty");
        // the last confirm may be ahead of the delivery to us: attempts are numbered without a gap
        await Eventually.Is(async () =>
        {
            written = (await Database.Query<int>("select coalesce(max(attempt), 0)::int from need where referral_id = @Id", new { referral.Id })).Single();
            return (_said.TryGetValue(referral.Id, out var bodies) ? bodies.Count : 0) >= written;
        }, $"{written} events about the referral are heard");
        return _said.TryGetValue(referral.Id, out var said)
            ? [.. said.OrderBy(b => b.GetProperty("data").GetProperty("attempt").GetInt64())]
            : [];
    }

    /// <summary>The types of what was said, in order, without the prefix: booked, rescheduled …</summary>
    internal async Task<IReadOnlyList<string>> SaidTypes(AReferral referral) =>
        [.. (await Said(referral)).Select(b => b.GetProperty("type").GetString()!["scheduling.".Length..])];

    /// <summary>What the outside has heard about the free places of an institution, in the order of its times.</summary>
    internal IReadOnlyList<JsonElement> SaidOfCapacity(Institution institution) =>
        _capacity.TryGetValue(institution.Code, out var said) ? [.. said.OrderBy(b => b.GetProperty("time").GetDateTimeOffset())] : [];

    /// <summary>Free places of a kind as they were told last; -1 where nothing was.</summary>
    internal int ToldOf(Institution institution, string resource) => SaidOfCapacity(institution)
        .LastOrDefault(b => b.GetProperty("data").GetProperty("resource").GetString() == resource) is { ValueKind: JsonValueKind.Object } said
            ? said.GetProperty("data").GetProperty("free").EnumerateArray().Sum(d => d.GetProperty("count").GetInt32()) : -1;

    internal async Task<IReadOnlyList<BookingRow>> Bookings(AReferral referral) => await Database.Query<BookingRow>("""
        select id, slot_id, bed_id, resource, state, leg, starts_at, version from booking
        where referral_id = @Id order by created_at, state
        """, new { referral.Id });

    internal async Task<bool> Waits(AReferral referral) =>
        (await Database.Query<Guid>("select referral_id from waiting where referral_id = @Id", new { referral.Id })).Count == 1;

    private sealed class Consumed : IConsumeObserver
    {
        private readonly ConcurrentDictionary<Guid, TaskCompletionSource> _waiting = new();

        public Task Next(Guid id)
        {
            var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            _waiting[id] = source;
            return source.Task;
        }

        public Task PreConsume<T>(ConsumeContext<T> context) where T : class => Task.CompletedTask;

        public Task PostConsume<T>(ConsumeContext<T> context) where T : class
        {
            if (context.Message is HeardEvent heard && _waiting.TryRemove(heard.Id, out var source))
                source.SetResult();
            return Task.CompletedTask;
        }

        public Task ConsumeFault<T>(ConsumeContext<T> context, Exception exception) where T : class
        {
            // the bus tries again; the test sees the reason when it gives up waiting
            Console.WriteLine($"{typeof(T).Name}: {exception}");
            return Task.CompletedTask;
        }
    }
}

/// <summary>All tests of this service share one host and one database; each has institutions of its own.</summary>
[CollectionDefinition(Scheduling.Name)]
public sealed class SchedulingCollection : ICollectionFixture<Scheduling>;

internal sealed class BookingRow
{
    public Guid Id { get; init; }
    public Guid? SlotId { get; init; }
    public Guid? BedId { get; init; }
    public string Resource { get; init; } = "";
    public string State { get; init; } = "";
    public int Leg { get; init; }
    public DateTimeOffset StartsAt { get; init; }
    public int Version { get; init; }
}
