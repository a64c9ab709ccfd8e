using System.Diagnostics;
using System.Text;
using Dapper;
using Npgsql;
using RabbitMQ.Client;
using Referrals.Contracts;

namespace NotificationService;

/// <summary>
/// Copies each event to the exchanges of its parties, in the order of the log: at least once, by one instance at a
/// time, and only for institutions that have a user of the broker. Its place in the log moves on after the confirms;
/// a broker that is away delays these copies and nothing else.
/// </summary>
internal sealed class ExchangePublisher(NpgsqlDataSource database, BrokerManagement broker, Signals signals, ILogger<ExchangePublisher> log) : BackgroundService
{
    private const int BatchSize = 200;
    private static readonly TimeSpan Sweep = TimeSpan.FromSeconds(1), ConfirmWithin = TimeSpan.FromSeconds(10);

    private IConnection? _connection;
    private IChannel? _channel;
    private long _nobodyAt;

    private sealed record Row
    {
        public long Position { get; init; }
        public Guid EventId { get; init; }
        public string Type { get; init; } = "";
        public string? Sender { get; init; }
        public string? Receiver { get; init; }
        public string? PreviousReceiver { get; init; }
        public string? Institution { get; init; }
        public string? OnBehalfOf { get; init; }
        public bool Sensitive { get; init; }
        public string Body { get; init; } = "";
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!broker.IsOffered)
            return;
        var failures = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await Copy(stoppingToken))
                {
                }
                failures = 0;
                await signals.LoggedForExchanges.Wait(Sweep, stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("Copies to the exchanges wait ({Failures} tries): {Reason} {SqlState}", failures, e.GetType().Name, (e as PostgresException)?.SqlState);
                await Disconnect();
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(5000, 200 * failures)), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        await Disconnect();
    }

    /// <summary>Copies what is new; true when there may be more at once.</summary>
    private async Task<bool> Copy(CancellationToken ct)
    {
        // as long as nobody has a user this costs a look a second
        if (Stopwatch.GetElapsedTime(_nobodyAt) < Sweep)
            return false;
        await using var connection = await database.OpenConnectionAsync(ct);
        var institutions = (await connection.QueryAsync<string>("select distinct institution from broker_user where revoked_at is null")).ToHashSet();
        if (institutions.Count == 0)
        {
            _nobodyAt = Stopwatch.GetTimestamp();
            return false;
        }
        await using var transaction = await connection.BeginTransactionAsync(ct);
        // another instance that is at work holds the row: nothing is left for us
        if (await connection.QuerySingleOrDefaultAsync<long?>("select position from exchange_progress for update skip locked", transaction: transaction) is not { } position)
            return false;
        var rows = (await connection.QueryAsync<Row>("""
            select position, event_id, type, sender, receiver, previous_receiver, institution, on_behalf_of, sensitive, body
            from event where position > @position order by position limit @BatchSize
            """, new { position, BatchSize }, transaction)).AsList();
        if (rows.Count == 0)
            return false;
        await Publish(rows, institutions, ct);
        await connection.ExecuteAsync("update exchange_progress set position = @Position", new { rows[^1].Position }, transaction);
        await transaction.CommitAsync(ct);
        return rows.Count == BatchSize;
    }

    private async Task Publish(IReadOnlyList<Row> rows, HashSet<string> institutions, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ConfirmWithin);
        List<Task>? confirms = null;
        foreach (var row in rows)
            foreach (var party in Party.Of(row.Sensitive, row.Sender, row.Receiver, row.PreviousReceiver, row.Institution, row.OnBehalfOf))
                if (institutions.Contains(party.Institution))
                {
                    var channel = await Channel(timeout.Token);
                    (confirms ??= []).Add(channel.BasicPublishAsync(BrokerManagement.ExchangeOf(party.Institution), row.Type, mandatory: false,
                        new BasicProperties { ContentType = CloudEvents.MediaType, Persistent = true, MessageId = row.EventId.ToString(), Type = row.Type },
                        Encoding.UTF8.GetBytes(party.Masked ? Masking.Mask(row.Body) : row.Body), timeout.Token).AsTask());
                }
        if (confirms is not null)
            await Task.WhenAll(confirms);
    }

    private async Task<IChannel> Channel(CancellationToken ct)
    {
        if (_channel is { IsOpen: true })
            return _channel;
        await Disconnect();
        _connection = await broker.Connection().CreateConnectionAsync(ct);
        return _channel = await _connection.CreateChannelAsync(new(publisherConfirmationsEnabled: true, publisherConfirmationTrackingEnabled: true), ct);
    }

    private async Task Disconnect()
    {
        try
        {
            if (_channel is not null)
                await _channel.DisposeAsync();
            if (_connection is not null)
                await _connection.DisposeAsync();
        }
        catch (Exception e) when (e is IOException or RabbitMQ.Client.Exceptions.RabbitMQClientException or OperationCanceledException or ObjectDisposedException)
        {
        }
        (_channel, _connection) = (null, null);
    }
}
