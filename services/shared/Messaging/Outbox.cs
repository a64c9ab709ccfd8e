using System.Threading.Channels;

namespace ServiceDefaults.Messaging;

/// <summary>
/// A message as it waits in the <c>outbox</c> table: written in the transaction of the change it tells of, published
/// by the <see cref="OutboxRelay"/> with these very bytes, removed after the broker's confirm. The service's role needs
/// select, insert, update and delete on the table: to PostgreSQL <c>for update</c> is an update.
/// </summary>
/// <param name="Id">Of its row: messages are published in this order.</param>
/// <param name="MessageId">The same on every repetition: consumers recognise it by this.</param>
/// <param name="Exchange">Topic exchange it goes to.</param>
/// <param name="RoutingKey">Type of the event.</param>
/// <param name="Body">The CloudEvent as JSON.</param>
public sealed record OutboxMessage(long Id, Guid MessageId, string Exchange, string RoutingKey, string Body);

/// <summary>
/// The way from a commit to the relay: what was committed is published from memory, without being read again. The
/// table stays the truth: what a crash, or a broker that was away, left there is found by the relay's own timer.
/// </summary>
public sealed class Outbox
{
    // more than a relay can have under way in a second; the table takes whatever is beyond that
    private const int Most = 4096;

    private readonly Channel<OutboxMessage> _committed = Channel.CreateBounded<OutboxMessage>(new BoundedChannelOptions(Most) { SingleReader = true });
    private int _missed;

    /// <summary>Hands on rows of the table <c>outbox</c> that were committed.</summary>
    public void Committed(IEnumerable<OutboxMessage> messages)
    {
        foreach (var message in messages)
            if (!_committed.Writer.TryWrite(message))
                Volatile.Write(ref _missed, 1);
    }

    /// <summary>True when something stands in the table alone since this was asked last.</summary>
    internal bool Missed() => Interlocked.Exchange(ref _missed, 0) == 1;

    internal IReadOnlyList<OutboxMessage> Take(int most)
    {
        var batch = new List<OutboxMessage>();
        while (batch.Count < most && _committed.Reader.TryRead(out var message))
            batch.Add(message);
        return batch;
    }

    /// <summary>What is under way in memory stands in the table too.</summary>
    internal void Forget()
    {
        while (_committed.Reader.TryRead(out _))
        {
        }
    }

    internal async Task Wait(TimeSpan atMost, CancellationToken ct)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(atMost);
        try
        {
            await _committed.Reader.WaitToReadAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
        }
    }
}
