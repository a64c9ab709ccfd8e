using System.Collections.Concurrent;
using Deployed;

namespace Faults;

/// <summary>What was asked of the services and what they acknowledged: the final read is held against it.</summary>
internal sealed class Recorder
{
    private readonly ConcurrentDictionary<Guid, string> _submitted = new();
    private readonly ConcurrentDictionary<Deed, int> _asked = new(), _acknowledged = new();
    private readonly ConcurrentQueue<Answer> _answers = new();
    private int _ghostKeys;

    /// <summary>Something that leaves an audit row.</summary>
    internal readonly record struct Deed(Guid Referral, string Action, string Institution);

    /// <summary>Acknowledged submissions: id and Idempotency-Key.</summary>
    public IReadOnlyDictionary<Guid, string> Submitted => _submitted;
    public IReadOnlyDictionary<Deed, int> Asked => _asked;
    public IReadOnlyDictionary<Deed, int> Acknowledged => _acknowledged;
    /// <summary>Every answer that came or did not come, repetitions included.</summary>
    public IReadOnlyCollection<Answer> Answers => _answers;
    /// <summary>Submissions that never got an answer: each may stand or not.</summary>
    public int Unanswered => _ghostKeys;

    public void Heard(Answer answer) => _answers.Enqueue(answer);

    public void Ask(Guid referral, string action, string institution) =>
        _asked.AddOrUpdate(new(referral, action, institution), 1, (_, n) => n + 1);

    public void Acknowledge(Guid referral, string action, string institution) =>
        _acknowledged.AddOrUpdate(new(referral, action, institution), 1, (_, n) => n + 1);

    /// <returns>False when this id was acknowledged before under another key.</returns>
    public bool Submission(Guid id, string key) => _submitted.GetOrAdd(id, key) == key;

    public void GaveUp() => Interlocked.Increment(ref _ghostKeys);
}
