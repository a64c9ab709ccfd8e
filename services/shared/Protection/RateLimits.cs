using System.Globalization;
using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ServiceDefaults.Protection;

/// <summary>
/// So many requests a second for each client, with room for a burst: a person or program by its token, anybody else
/// by address; a machine client so many in any minute as its token says. Whoever asks more gets 429 with
/// <c>Retry-After</c>; nobody else notices. Each instance counts for itself.
/// </summary>
public sealed class RateLimits : IDisposable
{
    private const int SlicesPerSecond = 10, SlicesPerMinute = 12;
    private readonly PartitionedRateLimiter<HttpContext> _limiter;

    public RateLimits(IConfiguration configuration, ClientTokens clients)
    {
        var person = (Rate: configuration.GetValue("RateLimits:PerSecond", 200), Burst: configuration.GetValue("RateLimits:Burst", 400));
        var stranger = (Rate: configuration.GetValue("RateLimits:AnonymousPerSecond", 50), Burst: configuration.GetValue("RateLimits:AnonymousBurst", 100));
        _limiter = PartitionedRateLimiter.Create<HttpContext, string>(http =>
        {
            var known = http.User.Identity?.IsAuthenticated == true;
            var key = known ? $"{http.User.FindFirst("institution")?.Value}|{http.User.FindFirst("sub")?.Value}" : "from " + http.Connection.RemoteIpAddress;
            if (known && clients.Issued(http.User))
            {
                var most = Limit(http.User);
                // with the limit in its name: a changed one counts from the next token on
                return RateLimitPartition.GetSlidingWindowLimiter($"{key}|{most}", _ => new()
                {
                    PermitLimit = most, Window = TimeSpan.FromMinutes(1), SegmentsPerWindow = SlicesPerMinute, QueueLimit = 0,
                });
            }
            if (person.Rate <= 0)
                return RateLimitPartition.GetNoLimiter("");
            var (rate, burst) = known ? person : stranger;
            return RateLimitPartition.GetTokenBucketLimiter(key, _ => new()
            {
                TokenLimit = Math.Max(burst, 1), TokensPerPeriod = Math.Max(rate / SlicesPerSecond, 1),
                ReplenishmentPeriod = TimeSpan.FromSeconds(1.0 / Math.Min(rate, SlicesPerSecond)), QueueLimit = 0,
            });
        });
    }

    // the issuer always says one; without it the least
    private static int Limit(System.Security.Claims.ClaimsPrincipal client) =>
        int.TryParse(client.FindFirst("limit")?.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var most) && most > 0 ? most : 1;

    /// <summary>Counts every request but those that watch over the service.</summary>
    public async Task Count(HttpContext http, RequestDelegate next)
    {
        if (http.Request.Path.StartsWithSegments("/health") || http.Request.Path.StartsWithSegments("/metrics"))
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

    public void Dispose() => _limiter.Dispose();
}
