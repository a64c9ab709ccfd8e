using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>What a service answered.</summary>
/// <param name="Next">Address of the next page (RFC 8288).</param>
internal sealed record Answer(int Status, JsonObject Body, string? ETag, string? Next, TimeSpan Took)
{
    public bool Succeeded => Status is >= 200 and < 300;

    /// <summary>The stable code of a problem; absent for anything else.</summary>
    public string? Code => Body["code"]?.GetValue<string>();

    /// <summary>Status, code, detail and the wrong members, in one line.</summary>
    public string Complaint
    {
        get
        {
            var errors = (Body["errors"] as JsonArray ?? []).Select(e => $"{e?["pointer"]}: {e?["detail"]}").ToArray();
            var state = Body["state"] is { } at ? $" (it is {at})" : "";
            return $"{Status} {Code ?? "without a problem"}: {Body["detail"] ?? "no detail"}{state}"
                + (errors.Length == 0 ? "" : $" [{string.Join("; ", errors)}]");
        }
    }
}

/// <summary>The three services over HTTP.</summary>
internal sealed class Api : IDisposable
{
    // every address is one of this machine or this network: a proxy of the environment would only stand in the way
    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false }) { Timeout = TimeSpan.FromSeconds(30) };

    public Api(Options options, Tokens tokens)
    {
        Referral = new(_http, "referral", options.Referral, tokens);
        Scheduling = new(_http, "scheduling", options.Scheduling, tokens);
        Notification = new(_http, "notification", options.Notification, tokens);
    }

    public Service Referral { get; }
    public Service Scheduling { get; }
    public Service Notification { get; }

    public void Dispose() => _http.Dispose();
}

/// <summary>One service, called by one actor after another.</summary>
internal sealed class Service(HttpClient http, string name, Uri address, Tokens tokens)
{
    private const int Tries = 5;
    private static readonly TimeSpan LongestPause = TimeSpan.FromSeconds(5);

    public Uri Address => address;

    /// <summary>The answer's body; a refusal ends the walk with its reason.</summary>
    public async Task<JsonObject> Get(Actor by, string path, string what) => (await Look(by, path, what)).Body;

    /// <summary>The whole answer, with its entity tag; a refusal ends the walk.</summary>
    public async Task<Answer> Look(Actor by, string path, string what) => Granted(by, what, await Send(by, HttpMethod.Get, path, null, null, null));

    /// <summary>A command under a fresh Idempotency-Key, or under <paramref name="key"/>; a refusal ends the walk.</summary>
    public async Task<Answer> Post(Actor by, string path, JsonObject body, string what, string? etag = null, string? key = null) =>
        Granted(by, what, await Ask(by, path, body, etag, key));

    /// <summary>A command whose refusal the caller looks at.</summary>
    public Task<Answer> Ask(Actor by, string path, JsonObject body, string? etag = null, string? key = null) =>
        Send(by, HttpMethod.Post, path, body, etag, key ?? Guid.NewGuid().ToString());

    public async Task Delete(Actor by, string path, string what) => Granted(by, what, await Send(by, HttpMethod.Delete, path, null, null, null));

    /// <summary>One sentence about a refusal.</summary>
    public string Refusal(Actor by, string what, Answer answer) =>
        $"The {name} service refused {what} for {by.Name} ({by.Role}) with {answer.Complaint}";

    private Answer Granted(Actor by, string what, Answer answer) =>
        answer.Succeeded ? answer : throw new WalkFailed(Refusal(by, what, answer));

    // a service that is busy is asked again with the same key: the command still has its effect once
    private async Task<Answer> Send(Actor by, HttpMethod method, string path, JsonObject? body, string? etag, string? key)
    {
        var began = Stopwatch.GetTimestamp();
        for (var attempt = 1; ; attempt++)
        {
            using var request = new HttpRequestMessage(method, new Uri(address, path));
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", tokens.Of(by));
            if (etag is not null)
                request.Headers.TryAddWithoutValidation("If-Match", etag);
            if (key is not null)
                request.Headers.TryAddWithoutValidation("Idempotency-Key", key);
            if (body is not null)
                request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
            try
            {
                using var response = await http.SendAsync(request);
                var answer = await Read(response, began);
                var busy = answer.Status is 429 or 503 || answer is { Status: 409, Code: "busy" };
                if (!busy || attempt == Tries)
                    return answer;
                await Task.Delay(Pause(response.Headers.RetryAfter));
            }
            catch (HttpRequestException e)
            {
                throw new WalkFailed($"The {name} service at {address} does not answer: {e.Message}.");
            }
            catch (TaskCanceledException)
            {
                throw new WalkFailed($"The {name} service at {address} did not answer {method} {path} within {http.Timeout.TotalSeconds:0} s.");
            }
        }
    }

    private async Task<Answer> Read(HttpResponseMessage response, long began)
    {
        var text = await response.Content.ReadAsStringAsync();
        try
        {
            var body = text.Length == 0 ? [] : JsonNode.Parse(text) as JsonObject ?? [];
            return new((int)response.StatusCode, body, response.Headers.ETag?.ToString(), Next(response), Stopwatch.GetElapsedTime(began));
        }
        catch (JsonException)
        {
            throw new WalkFailed($"The {name} service answered {(int)response.StatusCode} with something that is no JSON.");
        }
    }

    private static string? Next(HttpResponseMessage response) =>
        response.Headers.TryGetValues("Link", out var links) && links.FirstOrDefault(l => l.Contains("rel=\"next\"")) is { } link
            ? link[(link.IndexOf('<') + 1)..link.IndexOf('>')] : null;

    private static TimeSpan Pause(RetryConditionHeaderValue? wish) =>
        wish?.Delta is { } asked && asked < LongestPause ? asked + TimeSpan.FromMilliseconds(50) : TimeSpan.FromSeconds(1);
}
