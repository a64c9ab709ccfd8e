using System.Net;
using System.Net.Sockets;

namespace NotificationService;

/// <summary>Looks a name up; tests put their own answers here.</summary>
internal delegate Task<IPAddress[]> Lookup(string host, CancellationToken ct);

/// <summary>Why a webhook may not go to an address.</summary>
internal enum AddressRefusal { NotPublic, HttpsNeeded, Unknown }

/// <summary>
/// Keeps webhooks out of our own networks. The address is judged on the socket that is about to be connected, so
/// a name that changes its answer after the endpoint was created gains nothing.
/// </summary>
internal sealed class AddressGuard(WebhookSettings settings, Lookup lookup)
{
    private static readonly TimeSpan LookupWithin = TimeSpan.FromSeconds(5);

    // IANA special-purpose registries: https://www.iana.org/assignments/iana-ipv4-special-registry
    private static readonly IPNetwork[] SpecialV4 = Parse(
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        // a cloud's metadata service on a public address
        "168.63.129.16/32");

    // Everything outside 2000::/3 is special (loopback, mapped, NAT64, unique local, link-local, multicast); inside it
    // Teredo and other protocol assignments, documentation and 6to4, which carries an IPv4 address within.
    private static readonly IPNetwork GlobalV6 = IPNetwork.Parse("2000::/3");
    private static readonly IPNetwork[] SpecialV6 = Parse("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20");

    /// <summary>Null when a webhook may go to this URL as its name resolves now.</summary>
    public async Task<AddressRefusal?> Refusal(Uri url, CancellationToken ct)
    {
        var addresses = await Resolve(url.IdnHost, ct);
        return addresses.Length == 0 ? AddressRefusal.Unknown : Judge(url.Scheme, addresses);
    }

    /// <summary>Connects to an address that was judged a moment before, and to no other.</summary>
    public async ValueTask<Stream> Connect(SocketsHttpConnectionContext context, CancellationToken ct)
    {
        var addresses = await Resolve(context.DnsEndPoint.Host, ct);
        if (addresses.Length == 0)
            throw new SocketException((int)SocketError.HostNotFound);
        if (Judge(context.InitialRequestMessage.RequestUri!.Scheme, addresses) is { } refusal)
            throw new RefusedAddressException(refusal);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(addresses, context.DnsEndPoint.Port, ct);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // one bad address among good ones refuses the name: which of them would be taken is chance
    private AddressRefusal? Judge(string scheme, IPAddress[] addresses) =>
        !Array.TrueForAll(addresses, a => IsAllowed(a) || IsPublic(a)) ? AddressRefusal.NotPublic
        : scheme != Uri.UriSchemeHttps && !Array.TrueForAll(addresses, IsAllowed) ? AddressRefusal.HttpsNeeded
        : null;

    private bool IsAllowed(IPAddress address) => Contains(settings.AllowedAddresses, Unmapped(address));

    internal static bool IsPublic(IPAddress address)
    {
        address = Unmapped(address);
        return address.AddressFamily == AddressFamily.InterNetwork
            ? !Contains(SpecialV4, address)
            : GlobalV6.Contains(address) && !Contains(SpecialV6, address);
    }

    private async Task<IPAddress[]> Resolve(string host, CancellationToken ct)
    {
        if (IPAddress.TryParse(host, out var literal))
            return [literal];
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(LookupWithin);
        try
        {
            return await lookup(host, timeout.Token);
        }
        catch (Exception e) when (e is SocketException or ArgumentException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            return [];
        }
    }

    // ::ffff:10.0.0.1 is 10.0.0.1
    private static IPAddress Unmapped(IPAddress address) => address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;

    private static bool Contains(IReadOnlyList<IPNetwork> networks, IPAddress address) => networks.Any(n => n.Contains(address));

    private static IPNetwork[] Parse(params string[] networks) => [.. networks.Select(n => IPNetwork.Parse(n))];
}

/// <summary>The socket would have gone to an address no webhook may go to.</summary>
internal sealed class RefusedAddressException(AddressRefusal refusal) : IOException($"refused: {refusal}");
