using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace TestKit;

/// <summary>One service in this process, on a database and a virtual host of its own.</summary>
public sealed class ServiceHost<TProgram>(
    string connectionString, string rabbitMq, TimeProvider? clock = null,
    IReadOnlyDictionary<string, string>? settings = null) : WebApplicationFactory<TProgram> where TProgram : class
{
    protected override void ConfigureWebHost(IWebHostBuilder web)
    {
        web.UseEnvironment(settings?.GetValueOrDefault("Environment") ?? "Test");
        web.UseSetting("ConnectionStrings:Database", connectionString);
        web.UseSetting("RabbitMq:Uri", rabbitMq);
        web.UseSetting("Auth:Issuer", Issuer.Name);
        web.UseSetting("Auth:Audience", Issuer.Audience);
        web.UseSetting("Auth:DevelopmentKeyFile", Issuer.Shared.KeyFile);
        web.UseSetting("Auth:Clients:Issuer", ClientIssuer.Name);
        web.UseSetting("Auth:Clients:Keys", ClientIssuer.Shared.KeysAddress);
        web.UseSetting("Codes:KeyFile", Issuer.Shared.SecretFile);
        web.UseSetting("Patients:KeyFile", Issuer.Shared.SecretFile);
        // a test asks as fast as it can
        web.UseSetting("RateLimits:PerSecond", "1000000");
        web.UseSetting("RateLimits:Burst", "1000000");
        web.UseSetting("RateLimits:AnonymousPerSecond", "1000000");
        web.UseSetting("RateLimits:AnonymousBurst", "1000000");
        foreach (var (name, value) in settings ?? new Dictionary<string, string>())
            web.UseSetting(name, value);
        if (clock is not null)
            web.ConfigureServices(services => services.Replace(ServiceDescriptor.Singleton(clock)));
    }

    /// <summary>A caller with a token; null for one without.</summary>
    public HttpClient As(string? token)
    {
        var client = CreateClient();
        if (token is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        return client;
    }
}

/// <summary>A clock that stands until a test moves it.</summary>
public sealed class TestClock(DateTimeOffset start) : TimeProvider
{
    private long _ticks = start.UtcTicks;

    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _ticks), TimeSpan.Zero);

    public void Advance(TimeSpan by) => Interlocked.Add(ref _ticks, by.Ticks);
}

/// <summary>HTTP in the words of the tests.</summary>
public static class Http
{
    /// <summary>POST with a fresh Idempotency-Key (unless given) and, for a move, If-Match.</summary>
    public static Task<HttpResponseMessage> Command(this HttpClient client, string path, object? body = null,
        string? ifMatch = null, string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, path)
        {
            Content = JsonContent.Create(body ?? new { }, options: ServiceDefaults.Json.Lenient),
        };
        request.Headers.Add("Idempotency-Key", key ?? Guid.NewGuid().ToString());
        if (ifMatch is not null)
            request.Headers.TryAddWithoutValidation("If-Match", ifMatch);
        return client.SendAsync(request);
    }

    public static async Task<JsonElement> Json(this HttpResponseMessage response)
    {
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return document.RootElement.Clone();
    }

    public static async Task<JsonElement> Json(this Task<HttpResponseMessage> response) => await (await response).Json();
}

/// <summary>Waiting for what happens a moment later, bounded.</summary>
public static class Eventually
{
    /// <summary>Polls until <paramref name="found"/> returns a value; fails with <paramref name="what"/> after ten seconds.</summary>
    public static async Task<T> Get<T>(Func<Task<T?>> found, string what, int seconds = 10)
    {
        var until = DateTime.UtcNow.AddSeconds(seconds);
        while (true)
        {
            if (await found() is { } value)
                return value;
            if (DateTime.UtcNow > until)
                throw new TimeoutException($"It did not happen within {seconds} s: {what}");
            await Task.Delay(25);
        }
    }

    public static Task Is(Func<Task<bool>> holds, string what, int seconds = 10) =>
        Get(async () => await holds() ? (object)true : null, what, seconds);
}
