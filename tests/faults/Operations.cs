using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Deployed;
using TestKit;

namespace Faults;

/// <summary>An operation of a service, as its OpenAPI document describes it.</summary>
internal sealed record Operation(Service Service, string Method, string Path, JsonElement Description)
{
    public bool NeedsToken => Description.TryGetProperty("security", out var security) && security.GetArrayLength() > 0;

    public string? Example => Description.TryGetProperty("requestBody", out var body) && body.GetProperty("content").TryGetProperty("application/json", out var json)
        && json.TryGetProperty("example", out var example) ? example.GetRawText() : null;

    public IReadOnlyList<string> QueryParameters => !Description.TryGetProperty("parameters", out var all) ? []
        : [.. all.EnumerateArray().Where(p => p.GetProperty("in").GetString() == "query").Select(p => p.GetProperty("name").GetString()!)];

    public override string ToString() => $"{Method} {Path} of {Service.Name}";

    /// <summary>All operations that a service offers now.</summary>
    public static async Task<IReadOnlyList<Operation>> Of(Service service)
    {
        var document = await service.Anonymous().GetAsync("/openapi/v1.json").Json();
        return [.. document.GetProperty("paths").EnumerateObject().SelectMany(p => p.Value.EnumerateObject()
            .Where(o => o.Name is "get" or "post" or "put" or "patch" or "delete").Select(o => new Operation(service, o.Name.ToUpperInvariant(), p.Name, o.Value)))];
    }

    /// <summary>Asks with a token or without, with the example as body unless another one is given.</summary>
    public Task<Answer> Ask(string? token, string path, string? body = null) => Load.Ask(ToString(), 0, () =>
    {
        var request = new HttpRequestMessage(new(Method), path);
        if (token is not null)
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + token);
        if (Method == "POST" || Description.TryGetProperty("requestBody", out _))
        {
            request.Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body ?? Example ?? "{}")) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } };
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        }
        if (Method is not "GET")
            request.Headers.TryAddWithoutValidation("If-Match", "*");
        // a stream of events never ends by itself
        return Service.Anonymous().SendAsync(request, HttpCompletionOption.ResponseHeadersRead, new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token);
    });
}
