using System.Text;
using System.Text.Json;
using RabbitMQ.Client;
using Referrals.Contracts;
using ServiceDefaults;
using TestKit;

namespace ReferralService.Tests.Notices;

/// <summary>Hears the requests as the notification service does.</summary>
internal sealed class Requests : IAsyncDisposable
{
    private readonly string _queue = "test-" + Guid.NewGuid();
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    public List<(NoticeRequested Notice, string Body)> Heard { get; } = [];

    public static async Task<Requests> Of(ReferralHost host)
    {
        var requests = new Requests { _connection = await new ConnectionFactory { Uri = new Uri(host.RabbitMq) }.CreateConnectionAsync() };
        requests._channel = await requests._connection.CreateChannelAsync();
        await requests._channel.ExchangeDeclareAsync(NoticeRequests.Exchange, "topic", durable: true);
        await requests._channel.QueueDeclareAsync(requests._queue);
        await requests._channel.QueueBindAsync(requests._queue, NoticeRequests.Exchange, NoticeRequests.Requested);
        return requests;
    }

    public Task<NoticeRequested> Next(string notice, A referral) => Next(n => n.Notice == notice && n.ReferralNo == referral.No && n.Recipient.Length > 0, notice);

    /// <summary>That nothing is told of it any more.</summary>
    public Task<NoticeRequested> Silence(A referral, long after = 0) =>
        Next(n => n.ReferralNo == referral.No && n.Recipient.Length == 0 && n.Sequence > after, "silence");

    /// <summary>What the patient is told of it, as far as it was heard.</summary>
    public IEnumerable<string> Told(params A[] referrals) =>
        Heard.Select(h => h.Notice).Where(n => n.Recipient.Length > 0 && referrals.Any(r => r.No == n.ReferralNo)).Select(n => n.Notice);

    private Task<NoticeRequested> Next(Func<NoticeRequested, bool> wanted, string what) => Eventually.Get(async () =>
    {
        while (await _channel.BasicGetAsync(_queue, autoAck: true) is { } message)
        {
            var body = Encoding.UTF8.GetString(message.Body.Span);
            Heard.Add((JsonSerializer.Deserialize<NoticeRequested>(body, Json.Lenient)!, body));
        }
        return Heard.Select(h => h.Notice).FirstOrDefault(wanted);
    }, $"{what} is asked for");

    public async ValueTask DisposeAsync() => await _connection.DisposeAsync();
}
