using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using RabbitMQ.Client;

namespace NotificationService;

/// <summary>The broker's HTTP interface could not do what was asked of it.</summary>
internal sealed class BrokerManagementException(string reason, Exception? inner = null) : Exception(reason, inner);

/// <summary>
/// Users and rights of the institutions, over the broker's management interface: a virtual host of their own, in which
/// each user reads its institution's exchange and has queues under its own name, and nothing else.
/// See https://www.rabbitmq.com/docs/access-control
/// </summary>
internal sealed class BrokerManagement : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly HttpClient? _http;
    private readonly Uri _broker;

    public BrokerManagement(IConfiguration configuration)
    {
        _broker = new(configuration["RabbitMq:Uri"]!);
        var own = Uri.UnescapeDataString(_broker.AbsolutePath.TrimStart('/'));
        VirtualHost = configuration["RabbitMq:InstitutionsVirtualHost"] ?? (own.Length == 0 ? "referral" : own) + "-institutions";
        if (configuration["RabbitMq:Management"] is not { Length: > 0 } management)
            return;
        var address = new Uri(management);
        _http = new() { BaseAddress = new(address.GetLeftPart(UriPartial.Authority).Replace(address.UserInfo + "@", "", StringComparison.Ordinal)), Timeout = Patience };
        _http.DefaultRequestHeaders.Authorization = new("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Uri.UnescapeDataString(address.UserInfo))));
    }

    /// <summary>False when this installation offers institutions no AMQP.</summary>
    public bool IsOffered => _http is not null;

    public string VirtualHost { get; }

    public static string ExchangeOf(string institution) => "institution-events." + institution;

    /// <summary>What the names of a user's queues begin with.</summary>
    public static string QueuesOf(string user) => user + ".";

    /// <summary>The service's own connection to the institutions' virtual host.</summary>
    public ConnectionFactory Connection() => new()
    {
        Uri = new UriBuilder(_broker) { Path = "/" + Uri.EscapeDataString(VirtualHost) }.Uri,
        AutomaticRecoveryEnabled = false, RequestedConnectionTimeout = Patience, ClientProvidedName = "notification: institutions",
    };

    /// <summary>The virtual host, our right to publish in it, and bounds for queues that nobody reads.</summary>
    public async Task PrepareVirtualHost(CancellationToken ct)
    {
        await Put("vhosts/" + Name(VirtualHost), new { description = "Events of the institutions, one exchange each" }, ct);
        await Put($"permissions/{Name(VirtualHost)}/{Name(_broker.UserInfo.Split(':')[0])}", new { configure = ".*", write = ".*", read = ".*" }, ct);
        await Put($"policies/{Name(VirtualHost)}/bounds", new Dictionary<string, object>
        {
            ["pattern"] = ".*", ["apply-to"] = "queues",
            // whoever was away for longer reads the feed; a queue that nobody uses any more goes
            ["definition"] = new Dictionary<string, object> { ["max-length-bytes"] = 64 << 20, ["message-ttl"] = 7 * 86_400_000L, ["expires"] = 14 * 86_400_000L },
        }, ct);
        await Put($"vhost-limits/{Name(VirtualHost)}/max-queues", new { value = 5000 }, ct);
    }

    /// <summary>Makes a user, or gives it a new password, with the rights of its institution and no others.</summary>
    public async Task PutUser(string user, string password, string institution, CancellationToken ct)
    {
        await Put($"exchanges/{Name(VirtualHost)}/{Name(ExchangeOf(institution))}", new { type = "topic", durable = true, auto_delete = false }, ct);
        // no rights before the limits: the user can do nothing until it is complete
        await Put("users/" + Name(user), new { password, tags = "" }, ct);
        await Put($"user-limits/{Name(user)}/max-connections", new { value = 10 }, ct);
        await Put($"user-limits/{Name(user)}/max-channels", new { value = 50 }, ct);
        var own = "^" + Regex.Escape(QueuesOf(user));
        await Put($"permissions/{Name(VirtualHost)}/{Name(user)}", new
        {
            configure = own,
            // to bind a queue is to write to it; the institution's exchange is read only
            write = own,
            read = $"{own}|^{Regex.Escape(ExchangeOf(institution))}$",
        }, ct);
    }

    /// <summary>Takes a user away with its connections and queues; one that is not there is no error.</summary>
    public async Task DeleteUser(string user, CancellationToken ct)
    {
        await Delete("users/" + Name(user), ct);
        await Disconnect(user, ct);
        foreach (var queue in await Names($"queues/{Name(VirtualHost)}", "name", ct))
            if (queue.StartsWith(QueuesOf(user), StringComparison.Ordinal))
                await Delete($"queues/{Name(VirtualHost)}/{Name(queue)}", ct);
    }

    /// <summary>Closes the connections of a user: whoever holds an old password must come back with the new one.</summary>
    public Task Disconnect(string user, CancellationToken ct) => Delete("connections/username/" + Name(user), ct);

    /// <summary>Every user that may do anything in the institutions' virtual host.</summary>
    public Task<IReadOnlyList<string>> Users(CancellationToken ct) => Names($"vhosts/{Name(VirtualHost)}/permissions", "user", ct);

    private async Task<IReadOnlyList<string>> Names(string path, string member, CancellationToken ct)
    {
        using var answer = await Send(new(HttpMethod.Get, "api/" + path), ct);
        if (answer.StatusCode == HttpStatusCode.NotFound)
            return [];
        using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync(ct));
        return [.. document.RootElement.EnumerateArray().Select(e => e.GetProperty(member).GetString()!)];
    }

    private async Task Put(string path, object body, CancellationToken ct) =>
        (await Send(new(HttpMethod.Put, "api/" + path) { Content = JsonContent.Create(body) }, ct)).Dispose();

    private async Task Delete(string path, CancellationToken ct) =>
        (await Send(new(HttpMethod.Delete, "api/" + path), ct)).Dispose();

    private async Task<HttpResponseMessage> Send(HttpRequestMessage request, CancellationToken ct)
    {
        try
        {
            var answer = await _http!.SendAsync(request, ct);
            if (answer.IsSuccessStatusCode || answer.StatusCode == HttpStatusCode.NotFound && request.Method != HttpMethod.Put)
                return answer;
            answer.Dispose();
            throw new BrokerManagementException($"{request.Method} answered {(int)answer.StatusCode}");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException && !ct.IsCancellationRequested)
        {
            throw new BrokerManagementException(e.GetType().Name, e);
        }
        finally
        {
            request.Dispose();
        }
    }

    private static string Name(string text) => Uri.EscapeDataString(text);

    public void Dispose() => _http?.Dispose();
}
