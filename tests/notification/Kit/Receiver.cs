using System.Collections.Concurrent;
using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace NotificationService.Tests;

/// <summary>A webhook as a receiver saw it.</summary>
internal sealed record Received(string Id, long Timestamp, string Signature, string ContentType, string Body, DateTimeOffset At)
{
    public JsonElement Event => JsonDocument.Parse(Body).RootElement;
    public string Type => Event.GetProperty("type").GetString()!;
    public long Sequence => Event.GetProperty("data").GetProperty("sequence").GetInt64();
}

/// <summary>A real HTTP server that an institution might run, as good or as bad as a test wants it.</summary>
internal sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication _app;

    private Receiver(WebApplication app) => _app = app;

    /// <summary>Every request, whatever was answered.</summary>
    public ConcurrentQueue<Received> Requests { get; } = new();

    /// <summary>What was answered with 2xx.</summary>
    public ConcurrentQueue<Received> Taken { get; } = new();

    /// <summary>The events it took, in order; a repetition counts once, as a receiver does that remembers the ids.</summary>
    public IEnumerable<long> Sequences => Taken.DistinctBy(r => r.Id).Select(r => r.Sequence);

    /// <summary>How it answers: 204 unless a test says otherwise.</summary>
    public Func<HttpContext, Received, Task> Behaviour { get; set; } = (http, _) => Answer(http, 204);

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/hooks";

    public static async Task<Receiver> Start()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        builder.Services.Configure<KestrelServerOptions>(k => k.Limits.MinResponseDataRate = null);
        var app = builder.Build();
        var receiver = new Receiver(app);
        app.Run(receiver.Take);
        await app.StartAsync();
        return receiver;
    }

    public static Task Answer(HttpContext http, int status, string? body = null)
    {
        http.Response.StatusCode = status;
        return body is null ? Task.CompletedTask : http.Response.WriteAsync(body);
    }

    public Task Has(int count, string what, int seconds = 10) =>
        Eventually.Is(() => Task.FromResult(Taken.DistinctBy(r => r.Id).Count() >= count), $"{what}: {count} taken", seconds);

    private async Task Take(HttpContext http)
    {
        using var reader = new StreamReader(http.Request.Body, Encoding.UTF8);
        var body = await reader.ReadToEndAsync();
        var headers = http.Request.Headers;
        _ = long.TryParse(headers["webhook-timestamp"].ToString(), out var timestamp);
        var received = new Received(headers["webhook-id"].ToString(), timestamp,
            headers["webhook-signature"].ToString(), http.Request.ContentType ?? "", body, DateTimeOffset.UtcNow);
        Requests.Enqueue(received);
        await Behaviour(http, received);
        if (http.Response.StatusCode is >= 200 and < 300 && !http.RequestAborted.IsCancellationRequested)
            Taken.Enqueue(received);
    }

    public async ValueTask DisposeAsync()
    {
        using var atOnce = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(atOnce.Token);
        await _app.DisposeAsync();
    }
}

/// <summary>What an owner does with its endpoints.</summary>
internal static class Owner
{
    /// <summary>Creates an endpoint and returns its id and secret.</summary>
    public static async Task<(string Id, string Secret)> Listens(this HttpClient owner, string url, string[]? types = null, bool inOrder = false)
    {
        var answer = await owner.Command("/v1/endpoints", new { url, types, inOrder });
        answer.StatusCode.Should().Be(HttpStatusCode.Created, await answer.Content.ReadAsStringAsync());
        var endpoint = await answer.Json();
        return (endpoint.GetProperty("id").GetString()!, endpoint.GetProperty("secret").GetString()!);
    }

    public static async Task<string> StateOf(this HttpClient owner, string endpoint) =>
        (await owner.GetAsync($"/v1/endpoints/{endpoint}").Json()).GetProperty("state").GetString()!;
}
