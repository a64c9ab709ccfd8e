using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace NotificationService.Tests;

/// <summary>A gateway for text messages, as the adapter of the README describes it.</summary>
internal sealed class SmsGateway : IDisposable
{
    private readonly WebApplication _app;

    public SmsGateway()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0));
        _app = builder.Build();
        _app.Run(async http =>
        {
            var body = (await JsonDocument.ParseAsync(http.Request.Body)).RootElement;
            Asked.Enqueue((body.GetProperty("id").GetString()!, body.GetProperty("to").GetString()!, body.GetProperty("text").GetString()!, http.Request.Headers.Authorization.ToString()));
            http.Response.StatusCode = Status;
        });
        _app.StartAsync().GetAwaiter().GetResult();
    }

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/send";
    public int Status { get; set; } = 202;
    public ConcurrentQueue<(string Id, string To, string Text, string Authorization)> Asked { get; } = new();

    public IEnumerable<string> TextsTo(string phone) => Asked.Where(a => a.To == phone).Select(a => a.Text);

    public void Dispose() => ((IDisposable)_app).Dispose();
}
