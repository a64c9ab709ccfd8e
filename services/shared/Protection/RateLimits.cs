using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using ServiceDefaults.Http;

namespace ServiceDefaults.Protection;

/// <summary>
/// So many requests a second for each client, with room for a burst: a person or program by its token, anybody else
/// by address. Whoever asks more gets 429 with <c>Retry-After</c>; nobody else notices. Each instance counts for itself.
/// </summary>
public sealed class RateLimits : IDisposable
{
    private const int SlicesPerSecond = 10;
    private readonly PartitionedRateLimiter<HttpContext>? _limiter;

    public RateLimits(IConfiguration configuration)
    {
        var client = (Rate: configuration.GetValue("RateLimits:PerSecond", 200), Burst: configuration.GetValue("RateLimits:Burst", 400));
        var stranger = (Rate: configuration.GetValue("RateLimits:AnonymousPerSecond", 50), Burst: configuration.GetValue("RateLimits:AnonymousBurst", 100));
        if (client.Rate <= 0)
            return;
        _limiter = PartitionedRateLimiter.Create<HttpContext, string>(http =>
        {
            var known = http.User.Identity?.IsAuthenticated == true;
            var key = known ? $"{http.User.FindFirst("institution")?.Value}|{http.User.FindFirst("sub")?.Value}" : "from " + http.Connection.RemoteIpAddress;
            var (rate, burst) = known ? client : stranger;
            return RateLimitPartition.GetTokenBucketLimiter(key, _ => new()
            {
                TokenLimit = Math.Max(burst, 1), TokensPerPeriod = Math.Max(rate / SlicesPerSecond, 1),
                ReplenishmentPeriod = TimeSpan.FromSeconds(1.0 / Math.Min(rate, SlicesPerSecond)), QueueLimit = 0,
            });
        });
    }

    /// <summary>Counts every request but those that watch over the service.</summary>
    public async Task Count(HttpContext http, RequestDelegate next)
    {
        if (_limiter is null || http.Request.Path.StartsWithSegments("/health") || http.Request.Path.StartsWithSegments("/metrics"))
        {
            await next(http);
            return;
        }
        using var lease = _limiter.AttemptAcquire(http);
        if (lease.IsAcquired)
        {
            await next(http);
            return;
        }
        var wait = lease.TryGetMetadata(MetadataName.RetryAfter, out var after) ? (int)Math.Ceiling(after.TotalSeconds) : 1;
        await Problems.Write(http, new Problem(Problems.TooMany) { RetryAfter = Math.Max(wait, 1) });
    }

    public void Dispose() => _limiter?.Dispose();
}
