using System.Text;
using System.Threading.Channels;
using Dapper;
using Npgsql;
using ServiceDefaults.Http;

namespace NotificationService;

/// <summary>
/// Reads the log once for all open streams of this process and hands each event to those that may see it. However
/// many streams are open, the database is asked by one reader.
/// </summary>
internal sealed class StreamPump(
    NpgsqlDataSource database, Signals signals, Cursors cursors, StreamSettings settings, ILogger<StreamPump> log) : BackgroundService
{
    private const int BatchSize = 500;
    // how far a slow reader may fall behind before it goes back to reading from the database
    private const int Buffered = 256;
    private static readonly TimeSpan Sweep = TimeSpan.FromMilliseconds(500);
    private static readonly StreamItem Heartbeat = new(0, ": still here\n\n"u8.ToArray());

    private readonly Lock _gate = new();
    private readonly Dictionary<string, HashSet<Listener>> _listeners = [];
    private readonly TaskCompletionSource _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _position;
    private int _open;

    /// <summary>
    /// Begins to listen; null when as many streams are open as may be. What stands in the log up to
    /// <see cref="Listener.From"/> is for the listener to read, everything after that comes to it.
    /// </summary>
    public async Task<(Listener? Listener, Problem? Problem)> Listen(string institution, CancellationToken ct)
    {
        await _started.Task.WaitAsync(ct);
        lock (_gate)
        {
            if (_open >= settings.Streams)
                return (null, new Problem(Problems.Unavailable) { RetryAfter = 30 });
            if (!_listeners.TryGetValue(institution, out var listeners))
                _listeners[institution] = listeners = [];
            if (listeners.Count >= settings.StreamsPerInstitution)
                return (null, new Problem(Problems.TooMany) { RetryAfter = 30 });
            var listener = new Listener(institution, _position, Buffered);
            listeners.Add(listener);
            _open++;
            return (listener, null);
        }
    }

    public void Forget(Listener listener)
    {
        lock (_gate)
        {
            if (!_listeners.TryGetValue(listener.Institution, out var listeners) || !listeners.Remove(listener))
                return;
            _open--;
            if (listeners.Count == 0)
                _listeners.Remove(listener.Institution);
        }
    }

    /// <summary>The event as the stream sends it; its id is the cursor of the feed.</summary>
    public StreamItem ItemOf(string institution, long position, string body, bool masked)
    {
        var text = new StringBuilder("id: ").Append(cursors.Seal(ListEvents.ListOf(institution), position.ToString())).Append('\n');
        // a line break would end the field: each line is one of its own, and the reader puts them together again
        foreach (var line in (masked ? Masking.Mask(body) : body).Split(["\r\n", "\n", "\r"], StringSplitOptions.None))
            text.Append("data: ").Append(line).Append('\n');
        return new(position, Encoding.UTF8.GetBytes(text.Append('\n').ToString()));
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var failures = 0;
        var beatAt = DateTime.UtcNow + settings.Heartbeat;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (!_started.Task.IsCompleted)
                {
                    _position = await LastPosition(stoppingToken);
                    _started.TrySetResult();
                }
                while (await Pump(stoppingToken))
                {
                }
                failures = 0;
                if (DateTime.UtcNow >= beatAt)
                {
                    beatAt = DateTime.UtcNow + settings.Heartbeat;
                    Beat();
                }
                await signals.LoggedForStreams.Wait(Sweep < settings.Heartbeat ? Sweep : settings.Heartbeat, stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                failures++;
                if (failures is 1 or 10 || failures % 100 == 0)
                    log.LogWarning("Streams stand still ({Failures} tries): {Reason} {SqlState}", failures, e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Min(2000, 100 * failures)), stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        _started.TrySetCanceled(CancellationToken.None);
    }

    private async Task<long> LastPosition(CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        return await connection.ExecuteScalarAsync<long>($"select {EventLog.LastPosition}");
    }

    private sealed record Row
    {
        public long Position { get; init; }
        public string? Sender { get; init; }
        public string? Receiver { get; init; }
        public string? PreviousReceiver { get; init; }
        public string? Institution { get; init; }
        public string? OnBehalfOf { get; init; }
        public bool Sensitive { get; init; }
        public string Body { get; init; } = "";
    }

    /// <summary>Hands out what is new; true when there may be more at once.</summary>
    private async Task<bool> Pump(CancellationToken ct)
    {
        if (Volatile.Read(ref _open) == 0)
        {
            var last = await LastPosition(ct);
            lock (_gate)
                // whoever came meanwhile counts on everything after the position it was given
                if (_open == 0)
                    _position = last;
            return false;
        }
        await using var connection = await database.OpenConnectionAsync(ct);
        // positions become visible in their order: nothing before the last one is still to come
        var rows = (await connection.QueryAsync<Row>("""
            select position, sender, receiver, previous_receiver, institution, on_behalf_of, sensitive, body
            from event
            where position > @Position
            order by position
            limit @BatchSize
            """, new { Position = _position, BatchSize })).AsList();
        if (rows.Count == 0)
            return false;
        lock (_gate)
        {
            foreach (var row in rows)
                foreach (var party in Party.Of(row.Sensitive, row.Sender, row.Receiver, row.PreviousReceiver, row.Institution, row.OnBehalfOf))
                    if (_listeners.TryGetValue(party.Institution, out var listeners))
                    {
                        // made once for all streams of the institution
                        var item = ItemOf(party.Institution, row.Position, row.Body, party.Masked);
                        foreach (var listener in listeners)
                            listener.Offer(item);
                    }
            _position = rows[^1].Position;
        }
        return rows.Count == BatchSize;
    }

    private void Beat()
    {
        lock (_gate)
            foreach (var listener in _listeners.Values.SelectMany(l => l))
                listener.Remind(Heartbeat);
    }
}

/// <summary>A piece of a stream, ready to be sent. A heartbeat has position 0.</summary>
internal sealed record StreamItem(long Position, byte[] Bytes);

/// <summary>One open stream. When it cannot keep up its channel ends, and it reads on from the database.</summary>
internal sealed class Listener(string institution, long from, int buffered)
{
    private readonly Channel<StreamItem> _items = Channel.CreateBounded<StreamItem>(
        new BoundedChannelOptions(buffered) { SingleReader = true, SingleWriter = true });

    public string Institution => institution;

    /// <summary>Position of the log when it began to listen.</summary>
    public long From => from;

    public ChannelReader<StreamItem> Items => _items.Reader;

    public void Offer(StreamItem item)
    {
        if (!_items.Writer.TryWrite(item))
            _items.Writer.TryComplete();
    }

    /// <summary>A heartbeat that finds no room is not missed: the stream is busy.</summary>
    public void Remind(StreamItem heartbeat) => _items.Writer.TryWrite(heartbeat);
}

/// <summary>Settings of the streams.</summary>
internal sealed record StreamSettings(int Streams, int StreamsPerInstitution, TimeSpan Heartbeat)
{
    public static StreamSettings From(IConfiguration configuration)
    {
        var section = configuration.GetSection("Stream");
        return new(section.GetValue("Streams", 4000), section.GetValue("StreamsPerInstitution", 200),
            section.GetValue("Heartbeat", TimeSpan.FromSeconds(15)));
    }
}
