using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;

namespace ReferralDemo;

/// <summary>A webhook as it arrived with a valid signature.</summary>
/// <param name="Institution">Whose endpoint it came to.</param>
/// <param name="Subject">Number of the referral.</param>
internal sealed record Delivery(string Institution, string Id, string Type, string Subject, long Sequence);

/// <summary>
/// The demo's webhook subscriber: an HTTP server on a free port of this machine that checks every signature. It keeps
/// what is about the walk's own referrals; whatever else the institutions hear it only takes.
/// </summary>
internal sealed class Receiver : IAsyncDisposable
{
    private const int MostBytes = 1024 * 1024;

    private sealed record Owner(Actor Actor, byte[] Key);

    private readonly WebApplication _server;
    private readonly Printer _printer;
    private readonly ConcurrentDictionary<string, Owner> _owners = new();
    private readonly Lock _gate = new();
    private readonly HashSet<string> _followed = [];
    private readonly List<Delivery> _early = [];
    private readonly Dictionary<(string Institution, string Subject, long Sequence), Delivery> _verified = [];
    private readonly Dictionary<(string Institution, string Subject), long> _newest = [];
    private int _repeated;
    private string? _fault;

    private Receiver(WebApplication server, Printer printer) => (_server, _printer) = (server, printer);

    public static async Task<Receiver> Start(Printer printer)
    {
        // nothing of the environment: an ASPNETCORE_URLS that is meant for a service must not open a port here
        var builder = WebApplication.CreateEmptyBuilder(new());
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MostBytes;
            kestrel.Listen(IPAddress.Loopback, 0);
        });
        var receiver = new Receiver(builder.Build(), printer);
        receiver._server.Run(receiver.Take);
        try
        {
            await receiver._server.StartAsync();
        }
        catch (IOException e)
        {
            throw new WalkFailed($"The demo's webhook receiver could not open a port on 127.0.0.1: {e.Message}");
        }
        return receiver;
    }

    public string Address => _server.Urls.Single();

    /// <summary>From now on webhooks of this institution are expected at its path, signed with this secret.</summary>
    public void Expect(string path, Actor owner, string secret) => _owners[path] = new(owner, Signature.KeyOf(secret));

    /// <summary>Prints and keeps what arrives about this referral, also what came before its number was known.</summary>
    public void Follow(string referralNo)
    {
        lock (_gate)
        {
            _followed.Add(referralNo);
            foreach (var delivery in _early.Where(d => d.Subject == referralNo).ToArray())
            {
                _early.Remove(delivery);
                Keep(delivery);
            }
        }
    }

    public int Verified { get { lock (_gate) return _verified.Count; } }
    public int Repeated { get { lock (_gate) return _repeated; } }
    /// <summary>One sentence about the first webhook that was not signed well or not in its turn; null while all were.</summary>
    public string? Fault { get { lock (_gate) return _fault; } }

    public Delivery? Find(string institution, string referralNo, long sequence)
    {
        lock (_gate)
            return _verified.GetValueOrDefault((institution, referralNo, sequence));
    }

    private async Task Take(HttpContext http)
    {
        // the answer of a new endpoint may be behind its first webhook: that one is sent again
        if (!_owners.TryGetValue(http.Request.Path.Value ?? "", out var owner))
        {
            http.Response.StatusCode = 503;
            return;
        }
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body);
        var wrong = Signature.WhatIsWrong(http.Request.Headers, body.ToArray(), owner.Key, DateTimeOffset.UtcNow);
        if (wrong is null && Read(owner.Actor.Institution, http.Request.Headers[Signature.Id].ToString(), body.ToArray()) is { } delivery)
            Add(delivery);
        else
            lock (_gate)
                _fault ??= $"A webhook for {owner.Actor.Name} could not be verified: {wrong ?? "it is no CloudEvent of a referral"}.";
        http.Response.StatusCode = wrong is null ? 204 : 400;
    }

    private static Delivery? Read(string institution, string id, byte[] body)
    {
        try
        {
            var cloudEvent = JsonNode.Parse(body) as JsonObject;
            var (type, subject) = ((string?)cloudEvent?["type"], (string?)cloudEvent?["subject"]);
            var sequence = (string?)cloudEvent?["sequence"];
            return type is null || subject is null ? null
                : new(institution, id, type, subject, long.TryParse(sequence, CultureInfo.InvariantCulture, out var number) ? number : 0);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private void Add(Delivery delivery)
    {
        lock (_gate)
        {
            if (_followed.Contains(delivery.Subject))
                Keep(delivery);
            else
                _early.Add(delivery);
        }
    }

    private void Keep(Delivery delivery)
    {
        var (institution, subject, sequence) = (delivery.Institution, delivery.Subject, delivery.Sequence);
        if (!_verified.TryAdd((institution, subject, sequence), delivery))
        {
            _repeated++;
            return;
        }
        var name = _owners.Values.First(o => o.Actor.Institution == institution).Actor.Name;
        _printer.Webhook(delivery, name);
        // the endpoints ask for one referral's events in order
        if (sequence != _newest.GetValueOrDefault((institution, subject)) + 1)
            _fault ??= $"Webhook #{sequence} of {subject} for {name} came out of its turn: #{_newest.GetValueOrDefault((institution, subject)) + 1} was next.";
        _newest[(institution, subject)] = sequence;
    }

    public ValueTask DisposeAsync() => _server.DisposeAsync();
}
