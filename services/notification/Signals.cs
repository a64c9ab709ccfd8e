using System.Threading.Channels;

namespace NotificationService;

/// <summary>
/// How the workers of this process wake each other after a commit. A wake is a hint: each worker's own timer finds
/// what a crash or another instance left behind.
/// </summary>
internal sealed class Signals
{
    private readonly Channel<Guid> _endpoints = Channel.CreateUnbounded<Guid>(new() { SingleReader = true });

    /// <summary>Something was heard and waits for its place in the log.</summary>
    public Signal Arrived { get; } = new();

    /// <summary>The log has grown: one for each of those who read on from where they are.</summary>
    public Signal LoggedForStreams { get; } = new();
    public Signal LoggedForExchanges { get; } = new();

    /// <summary>A replay was asked for.</summary>
    public Signal Replays { get; } = new();

    /// <summary>An endpoint took a message after a row of failures.</summary>
    public Signal Recovered { get; } = new();

    /// <summary>The log has grown.</summary>
    public void Logged()
    {
        LoggedForStreams.Wake();
        LoggedForExchanges.Wake();
    }

    /// <summary>Messages of these endpoints may be due.</summary>
    public void Due(params IEnumerable<Guid> endpoints)
    {
        foreach (var endpoint in endpoints)
            _endpoints.Writer.TryWrite(endpoint);
    }

    /// <summary>Adds to <paramref name="endpoints"/> what became due, after waiting for it at most so long.</summary>
    public async Task WaitForDue(HashSet<Guid> endpoints, TimeSpan atMost, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(atMost);
        try
        {
            await _endpoints.Reader.WaitToReadAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
        }
        while (_endpoints.Reader.TryRead(out var endpoint))
            endpoints.Add(endpoint);
    }
}

/// <summary>Wakes one worker; wakes that meet become one.</summary>
internal sealed class Signal
{
    private readonly Channel<bool> _wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    public void Wake() => _wakes.Writer.TryWrite(true);

    public async Task Wait(TimeSpan atMost, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(atMost);
        try
        {
            await _wakes.Reader.ReadAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
        }
    }
}
