using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using Microsoft.IdentityModel.Tokens;

namespace ServiceDefaults.Auth;

/// <summary>Gets the key set (RFC 7517) of the issuer of machine clients, as text.</summary>
public delegate Task<string> FetchClientKeys(CancellationToken ct);

/// <summary>
/// The public keys of the issuer of machine clients. The first token of a client fetches them, and one under an
/// unknown key fetches them again: once in ten seconds, however many come. An issuer that is away harms nobody who is
/// known: the keys that were fetched last hold for a day.
/// </summary>
public sealed partial class ClientKeys(FetchClientKeys fetch, TimeProvider clock, ILogger<ClientKeys> log)
{
    public static readonly TimeSpan Between = TimeSpan.FromSeconds(10), Fresh = TimeSpan.FromMinutes(15), Longest = TimeSpan.FromDays(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private (IReadOnlyList<SecurityKey> Keys, DateTimeOffset At) _known = ([], DateTimeOffset.MinValue);
    private DateTimeOffset _triedAt = DateTimeOffset.MinValue;
    private Task _fetching = Task.CompletedTask;

    /// <summary>The keys to try for a key id; the caller compares, so that an unknown one finds none.</summary>
    public async ValueTask<IReadOnlyList<SecurityKey>> For(string? kid)
    {
        var (keys, at) = Known;
        var age = clock.GetUtcNow() - at;
        var known = keys.Any(k => k.KeyId == kid);
        if (known && age < Fresh)
            return keys;
        var refreshed = Refresh();
        // a known key need not wait for news
        if (!known || age >= Longest)
            await refreshed;
        (keys, at) = Known;
        return clock.GetUtcNow() - at < Longest ? keys : [];
    }

    private (IReadOnlyList<SecurityKey> Keys, DateTimeOffset At) Known
    {
        get
        {
            lock (_gate)
                return _known;
        }
    }

    private Task Refresh()
    {
        lock (_gate)
        {
            var now = clock.GetUtcNow();
            if (!_fetching.IsCompleted || now - _triedAt < Between)
                return _fetching;
            _triedAt = now;
            return _fetching = Fetch(now);
        }
    }

    private async Task Fetch(DateTimeOffset now)
    {
        try
        {
            using var patience = new CancellationTokenSource(Patience);
            var fetched = new JsonWebKeySet(await fetch(patience.Token));
            // whatever else stands there is no key of ours: a symmetric one would make its readers signers
            var usable = fetched.Keys.Where(k => k is { Kty: "EC", Crv: "P-256", Kid.Length: > 0, Use: null or "" or "sig" }).ToArray();
            lock (_gate)
                _known = (usable, now);
        }
        catch (Exception e)
        {
            NotFetched(log, e.GetType().Name);
        }
    }

    [LoggerMessage(LogLevel.Warning, "The keys of the machine clients' issuer could not be fetched ({Fault}); those known before still hold.")]
    private static partial void NotFetched(ILogger log, string fault);

    /// <summary>Over HTTP, from <c>Auth:Clients:Keys</c>, or from where the issuer publishes them.</summary>
    internal static FetchClientKeys OverHttp(IConfiguration configuration)
    {
        var address = configuration["Auth:Clients:Keys"] ?? configuration["Auth:Clients:Issuer"]?.TrimEnd('/') + "/oauth2/jwks";
        // no redirect is followed: where the keys are is a setting, not an answer
        var client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, PooledConnectionLifetime = Fresh })
        {
            MaxResponseContentBufferSize = 64 * 1024,
        };
        return ct => client.GetStringAsync(address, ct);
    }
}
