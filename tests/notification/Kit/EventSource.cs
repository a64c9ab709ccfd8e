using System.Collections.Concurrent;
using System.Text.Json;

namespace NotificationService.Tests;

/// <summary>Follows a stream as a browser's EventSource does, and remembers the last id.</summary>
internal sealed class EventSource : IAsyncDisposable
{
    private readonly CancellationTokenSource _end = new();
    private readonly HttpResponseMessage _response;
    private readonly Task _reading;

    private EventSource(HttpResponseMessage response)
    {
        _response = response;
        _reading = Read();
    }

    public ConcurrentQueue<JsonElement> Events { get; } = new();
    public string? LastId { get; private set; }
    public int Comments { get; private set; }
    public bool Ended => _reading.IsCompleted;

    public IEnumerable<long> Sequences => Events.Select(e => e.GetProperty("data").GetProperty("sequence").GetInt64());

    public static async Task<EventSource> Open(HttpClient client, string? lastId = null, string query = "")
    {
        var request = new HttpRequestMessage(HttpMethod.Get, "/v1/events/stream" + query);
        if (lastId is not null)
            request.Headers.Add("Last-Event-ID", lastId);
        var response = await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        response.StatusCode.Should().Be(System.Net.HttpStatusCode.OK);
        response.Content.Headers.ContentType!.ToString().Should().Be("text/event-stream; charset=utf-8");
        var source = new EventSource(response);
        await Eventually.Is(() => Task.FromResult(source.LastId is not null), "the stream gives its first id", 30);
        return source;
    }

    public Task Has(int count, string what, int seconds = 10) =>
        Eventually.Is(() => Task.FromResult(Events.Count >= count), $"{what}: {count} events, {Events.Count} came", seconds);

    private async Task Read()
    {
        try
        {
            using var reader = new StreamReader(await _response.Content.ReadAsStreamAsync(_end.Token));
            var data = new List<string>();
            string? id = null;
            while (await reader.ReadLineAsync(_end.Token) is { } line)
                if (line.StartsWith("id: ", StringComparison.Ordinal))
                    id = line[4..];
                else if (line.StartsWith("data: ", StringComparison.Ordinal))
                    data.Add(line[6..]);
                else if (line.StartsWith(':'))
                    Comments++;
                else if (line.Length == 0)
                {
                    // a block that was cut off before its blank line never happened
                    LastId = id ?? LastId;
                    if (data.Count > 0)
                        Events.Enqueue(JsonDocument.Parse(string.Join('\n', data)).RootElement);
                    data.Clear();
                }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _response.Dispose();
        await _reading;
    }
}
