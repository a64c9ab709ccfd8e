using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.HttpOverrides;
using Microsoft.Extensions.Configuration;

namespace ServiceDefaults.Protection;

/// <summary>
/// Which callers stand for others: of a proxy named in <c>Proxies:Known</c> the address in <c>X-Forwarded-For</c> is the
/// caller's, hop by hop until one is not named. What anybody else writes there changes nothing; unset, nobody is believed.
/// </summary>
public static class Proxies
{
    /// <summary>Comes before whatever asks for the caller's address.</summary>
    public static void UseKnownProxies(this WebApplication app)
    {
        var known = app.Configuration.GetSection("Proxies:Known").GetChildren().Select(entry => entry.Value ?? "").ToList();
        if (known.Count == 0)
            return;
        var options = new ForwardedHeadersOptions { ForwardedHeaders = ForwardedHeaders.XForwardedFor, ForwardLimit = null };
        options.KnownProxies.Clear();
        options.KnownIPNetworks.Clear();
        foreach (var text in known)
            if (IPAddress.TryParse(text, out var address))
                options.KnownProxies.Add(address);
            else if (System.Net.IPNetwork.TryParse(text, out var network) && network.PrefixLength > 0)
                options.KnownIPNetworks.Add(network);
            else
                throw new InvalidOperationException("Proxies:Known: addresses of proxies, or networks such as 10.1.2.0/24; never all there is.");
        app.UseForwardedHeaders(options);
    }
}
