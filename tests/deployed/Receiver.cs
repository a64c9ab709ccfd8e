using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Logging;
using TestKit;

namespace Deployed;

/// <summary>A partner's system that takes webhooks and keeps what came.</summary>
public sealed class Receiver : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<Webhook> _received = new();

    private Receiver(WebApplication app) => _app = app;

    /// <summary>What it answers: 200 until a test says otherwise.</summary>
    public int Answers { get; set; } = 200;
    public string Address => _app.Urls.Single();
    public IReadOnlyList<Webhook> Received => [.. _received];

    /// <summary>Forgets what has come.</summary>
    public void Clear() => _received.Clear();

    public static async Task<Receiver> Open()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        var receiver = new Receiver(builder.Build());
        receiver._app.MapPost("/{*path}", receiver.Take);
        await receiver._app.StartAsync();
        return receiver;
    }

    private async Task<IResult> Take(HttpRequest request)
    {
        using var reader = new StreamReader(request.Body, Encoding.UTF8);
        var body = await reader.ReadToEndAsync();
        _received.Enqueue(new(request.Path, request.Headers["webhook-id"].ToString(), request.Headers["webhook-timestamp"].ToString(),
            request.Headers["webhook-signature"].ToString(), body, Answers) { At = DateTimeOffset.UtcNow });
        return Results.StatusCode(Answers);
    }

    /// <summary>Subscribes an institution, in order, and returns the secret that signs.</summary>
    public async Task<string> Subscribe(Alliance alliance, string institution, string path)
    {
        using var answer = await alliance.Notification.As(institution, "Operator")
            .Command("/v1/endpoints", new { url = Address + path, inOrder = true });
        var body = await answer.Content.ReadAsStringAsync();
        ((int)answer.StatusCode).Should().Be(201, "the notification service answered {0}", body);
        return (await answer.Json()).GetProperty("secret").GetString()!;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();
}

/// <summary>One HTTP request of a webhook.</summary>
public sealed record Webhook(string Path, string Id, string Timestamp, string Signature, string Body, int Answered)
{
    /// <summary>When it came.</summary>
    public DateTimeOffset At { get; init; }
    public JsonElement Event => JsonSerializer.Deserialize<JsonElement>(Body);
    public string Subject => Event.GetProperty("subject").GetString()!;
    public long Sequence => long.Parse(Event.GetProperty("sequence").GetString()!);
    public string Name => Event.GetProperty("type").GetString()!.Split('.')[^1];

    /// <summary>
    /// True when the secret made the signature: HMAC-SHA-256 over <c>id.timestamp.body</c>.
    /// See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
    /// </summary>
    public bool IsSignedWith(string secret)
    {
        var key = Convert.FromBase64String(secret["whsec_".Length..]);
        var wanted = "v1," + Convert.ToBase64String(HMACSHA256.HashData(key, Encoding.UTF8.GetBytes($"{Id}.{Timestamp}.{Body}")));
        return Signature.Split(' ').Contains(wanted);
    }
}
