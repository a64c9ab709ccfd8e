using System.Collections.Concurrent;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace ServiceDefaults.Auth;

/// <summary>
/// Validates a token once a minute instead of at every request: a signature costs as much as the rest of a read. What
/// was found invalid is never remembered. A key that the issuer withdraws is honoured for one minute at most.
/// </summary>
internal sealed class RememberedTokens(ClientTokens clients) : JsonWebTokenHandler
{
    private const int Most = 10_000;
    private static readonly TimeSpan For = TimeSpan.FromMinutes(1);

    private readonly ConcurrentDictionary<string, (TokenValidationResult Result, DateTimeOffset Until)> _known = new(StringComparer.Ordinal);

    public override async Task<TokenValidationResult> ValidateTokenAsync(string token, TokenValidationParameters parameters)
    {
        // the library judges lifetimes by the machine's clock, and so does this
        var now = TimeProvider.System.GetUtcNow();
        if (_known.TryGetValue(token, out var known))
        {
            if (now < known.Until)
                return known.Result;
            _known.TryRemove(token, out _);
        }
        var result = await base.ValidateTokenAsync(token, Read(token) is { } read && await clients.ParametersFor(read) is { } ofClients ? ofClients : parameters);
        if (result.IsValid)
        {
            // forgetting all of them costs a signature each, and never grows
            if (_known.Count >= Most)
                _known.Clear();
            DateTimeOffset until = now + For, expires = DateTime.SpecifyKind(result.SecurityToken.ValidTo, DateTimeKind.Utc);
            _known[token] = (result, until < expires ? until : expires);
        }
        return result;
    }

    // unproven as yet: it only says whose keys to try
    private JsonWebToken? Read(string token)
    {
        if (clients.Issuer is null || token.Length > MaximumTokenSizeInBytes || !CanReadToken(token))
            return null;
        try
        {
            return ReadJsonWebToken(token);
        }
        catch (Exception e) when (e is ArgumentException or SecurityTokenException)
        {
            return null;
        }
    }
}
