using System.Threading.Channels;

namespace ServiceDefaults.Messaging;

/// <summary>
/// A message as it waits in the <c>outbox</c> table: written in the transaction of the change it tells of, published
/// by the <see cref="OutboxRelay"/> with these very bytes, removed after the broker's confirm. The service's role needs
/// select, insert, update and delete on the table: to PostgreSQL <c>for update</c> is an update.
/// </summary>
/// <param name="MessageId">The same on every repetition: consumers recognise it by this.</param>
/// <param name="Exchange">Topic exchange it goes to.</param>
/// <param name="RoutingKey">Type of the event.</param>
/// <param name="Body">The CloudEvent as JSON.</param>
public sealed record OutboxMessage(Guid MessageId, string Exchange, string RoutingKey, string Body);

/// <summary>Wakes the relay after a commit; the relay's own timer finds what a crash left behind.</summary>
public sealed class OutboxSignal
{
    private readonly Channel<bool> _wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <summary>Say that something was committed to the outbox.</summary>
    public void Wake() => _wakes.Writer.TryWrite(true);

    internal async Task Wait(TimeSpan atMost, CancellationToken ct)
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
