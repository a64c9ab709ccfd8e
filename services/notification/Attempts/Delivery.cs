using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using Referrals.Contracts;

namespace NotificationService;

/// <summary>A message a worker holds until its lease runs out.</summary>
internal sealed record ClaimedMessage
{
    public Guid Id { get; init; }
    public Guid EndpointId { get; init; }
    public int Step { get; init; }
    public bool Masked { get; init; }
    public string Body { get; init; } = "";
    public string Url { get; init; } = "";
    public byte[][] Secrets { get; init; } = [];
    /// <summary>The endpoint's last attempts failed.</summary>
    public bool Failing { get; init; }
}

/// <summary>
/// One signed POST. The status line decides; of the answer's body at most 1 kB is read, for at most a second.
/// Redirects are not followed, no proxy and no cookie is used.
/// </summary>
internal sealed class Delivery : IDisposable
{
    private const int KeptBytes = 1024;
    private static readonly TimeSpan ReadAnswerWithin = TimeSpan.FromSeconds(1);
    private static readonly MediaTypeHeaderValue MediaType = new(CloudEvents.MediaType) { CharSet = "utf-8" };

    private readonly HttpClient _http;
    private readonly Secrets _secrets;
    private readonly TimeProvider _clock;

    public Delivery(AddressGuard guard, Secrets secrets, TimeProvider clock)
    {
        _secrets = secrets;
        _clock = clock;
        _http = new HttpClient(new SocketsHttpHandler
        {
            ConnectCallback = guard.Connect,
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            MaxResponseHeadersLength = 16,
            MaxResponseDrainSize = 8 * KeptBytes,
            ResponseDrainTimeout = ReadAnswerWithin,
        }) { Timeout = Timeout.InfiniteTimeSpan };
        _http.DefaultRequestHeaders.UserAgent.ParseAdd("Referral-Webhooks/1");
    }

    /// <summary>Never throws for what a receiver does; only when <paramref name="ct"/> ends it.</summary>
    public async Task<Answer> Send(ClaimedMessage message, CancellationToken ct)
    {
        using var request = Request(message);
        try
        {
            using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, ct);
            var status = (int)response.StatusCode;
            var failure = status switch
            {
                >= 200 and < 300 => null,
                >= 300 and < 400 => "redirect",
                _ => "status",
            };
            return new(status, failure, await Beginning(response.Content, ct), RetryAfter(response));
        }
        catch (HttpRequestException e)
        {
            return Answer.Unanswered(Reason(e));
        }
        catch (IOException)
        {
            return Answer.Unanswered("connection");
        }
    }

    private HttpRequestMessage Request(ClaimedMessage message)
    {
        var id = message.Id.ToString();
        var timestamp = _clock.GetUtcNow().ToUnixTimeSeconds();
        var body = message.Masked ? Masking.Mask(message.Body) : message.Body;
        var keys = message.Secrets.Select(sealedSecret => Secrets.KeyOf(_secrets.Open(message.EndpointId.ToString(), sealedSecret)));
        var request = new HttpRequestMessage(HttpMethod.Post, message.Url)
        {
            Content = new ByteArrayContent(Encoding.UTF8.GetBytes(body)) { Headers = { ContentType = MediaType } },
        };
        request.Headers.Add(Signature.Id, id);
        request.Headers.Add(Signature.Timestamp, timestamp.ToString());
        request.Headers.Add(Signature.Header, Signature.Of(id, timestamp, body, keys));
        return request;
    }

    // evidence for the endpoint's owner, and whatever stops it changes nothing about the status
    private static async Task<string?> Beginning(HttpContent content, CancellationToken ct)
    {
        var buffer = new byte[KeptBytes];
        var length = 0;
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(ct);
        timeout.CancelAfter(ReadAnswerWithin);
        try
        {
            await using var stream = await content.ReadAsStreamAsync(timeout.Token);
            while (length < KeptBytes && await stream.ReadAsync(buffer.AsMemory(length), timeout.Token) is > 0 and var read)
                length += read;
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
        }
        // PostgreSQL stores no NUL
        return length == 0 ? null : Encoding.UTF8.GetString(buffer, 0, length).Replace('\0', '\uFFFD');
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response)
    {
        var header = response.Headers.RetryAfter;
        var pause = header?.Delta ?? header?.Date - _clock.GetUtcNow();
        return pause > TimeSpan.Zero ? pause : null;
    }

    private static string Reason(HttpRequestException e)
    {
        for (Exception? inner = e; inner is not null; inner = inner.InnerException)
            switch (inner)
            {
                case RefusedAddressException: return "address-refused";
                case AuthenticationException: return "tls";
                case SocketException { SocketErrorCode: SocketError.HostNotFound or SocketError.NoData or SocketError.TryAgain }: return "unknown-host";
            }
        return e.HttpRequestError == HttpRequestError.SecureConnectionError ? "tls" : "connection";
    }

    public void Dispose() => _http.Dispose();
}
