using System.Threading.RateLimiting;

namespace ReferralService.Clients;

/// <summary>
/// Ten wrong secrets for a client from one address, then one more every six seconds; the right one is not tried
/// meanwhile either. A guesser elsewhere shuts no client out. Each instance counts for itself.
/// </summary>
internal sealed class GuessLimits : IDisposable
{
    private const int Free = 10;
    public static readonly TimeSpan Then = TimeSpan.FromSeconds(6);

    private readonly PartitionedRateLimiter<string> _wrong = PartitionedRateLimiter.Create<string, string>(key =>
        RateLimitPartition.GetTokenBucketLimiter(key, _ => new() { TokenLimit = Free, TokensPerPeriod = 1, ReplenishmentPeriod = Then, QueueLimit = 0 }));

    // a lease of nothing would be had for the fraction that each tenth of a second gives back
    public bool MayTry(string address, string client) => _wrong.GetStatistics(KeyOf(address, client)) is not { CurrentAvailablePermits: < 1 };

    public void WasWrong(string address, string client) => _wrong.AttemptAcquire(KeyOf(address, client)).Dispose();

    private static string KeyOf(string address, string client) => $"{address}|{client}";

    public void Dispose() => _wrong.Dispose();
}
