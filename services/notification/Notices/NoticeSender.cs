using System.Security.Cryptography;
using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;
using ServiceDefaults;

namespace NotificationService;

/// <summary>
/// Sends notices that are due and erases their recipients, whatever came of it. One that was handed over just before a
/// crash is handed over again under its id.
/// </summary>
internal sealed class NoticeSender(
    NpgsqlDataSource database, NoticeSettings settings, NoticeTemplates templates, NoticeChannels channels, Signals signals, TimeProvider clock,
    ILogger<NoticeSender> log) : BackgroundService
{
    private const int BatchSize = 20;
    private static readonly TimeSpan Sweep = TimeSpan.FromSeconds(1), Lease = TimeSpan.FromMinutes(2);

    private sealed record Notice
    {
        public Guid Id { get; init; }
        public string Template { get; init; } = "";
        public string ReferralNo { get; init; } = "";
        public bool Urgent { get; init; }
        public string Place { get; init; } = "";
        public DateTimeOffset? StartsAt { get; init; }
        public byte[] Recipient { get; init; } = [];
        public int Attempts { get; init; }
        public DateTimeOffset ExpiresAt { get; init; }
        public string? Whereabouts { get; init; }
        public string[]? Bring { get; init; }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (settings.PrivateKey is null)
            return;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await Run(stoppingToken))
                {
                }
                await signals.Notices.Wait(Sweep, stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
            }
            catch (Exception e)
            {
                log.LogWarning("Notices wait: {Reason} {SqlState}", e.GetType().Name, (e as PostgresException)?.SqlState);
                await Task.Delay(Sweep, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task<bool> Run(CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        await using var connection = await database.OpenConnectionAsync(ct);
        var due = (await connection.QueryAsync<Notice>("""
            -- due again when a crashed worker's lease has run out
            update notice n set due_at = @leased
            where id in (select id from notice where state = 'Waiting' and due_at <= @now order by due_at limit @BatchSize for update skip locked)
            returning id, template, referral_no, urgent, place, starts_at, recipient, attempts, expires_at, whereabouts, bring
            """, new { now, leased = now + Lease, BatchSize })).AsList();
        await Task.WhenAll(due.Select(notice => Send(notice, ct)));
        return due.Count == BatchSize;
    }

    private async Task Send(Notice notice, CancellationToken ct)
    {
        var now = clock.GetUtcNow();
        if (notice.ExpiresAt <= now)
        {
            await End(notice, "Expired", null, null, now);
            return;
        }
        // it waited past the evening, e.g. for a gateway
        if (!notice.Urgent && settings.Awake(now) is var awake && awake > now)
        {
            await Again(notice, awake, null, countsAsAttempt: false);
            return;
        }
        var handed = await HandOver(notice, ct);
        if (handed.Failure is null)
            await End(notice, "Sent", handed.Channel, null, now);
        else if (handed.ForGood || notice.Attempts >= settings.Retries.Count)
        {
            log.LogWarning("Notice {Notice} was not taken: {Channel} {Failure}", notice.Id, handed.Channel, handed.Failure);
            await End(notice, "Failed", handed.Channel, handed.Failure, now);
        }
        else
            await Again(notice, now + settings.Retries[notice.Attempts], handed.Failure, countsAsAttempt: true);
    }

    private async Task<HandedOver> HandOver(Notice notice, CancellationToken ct)
    {
        NoticeRecipient recipient;
        try
        {
            recipient = JsonSerializer.Deserialize<NoticeRecipient>(SealedBox.Open(settings.PrivateKey!, notice.Id.ToString(), notice.Recipient), Json.Lenient)!;
        }
        catch (Exception e) when (e is CryptographicException or JsonException)
        {
            return new("none", "unreadable-recipient", true);
        }
        // one that has no texts here, e.g. of a later version, is no reason for silence
        var language = recipient.Language is { } preferred && NoticeTemplates.Languages.Contains(preferred) ? preferred : settings.Language;
        return templates.Text(notice.Template, language, notice.ReferralNo, notice.Place, notice.StartsAt, notice.Whereabouts, notice.Bring) is { } text
            ? await channels.Send(notice.Id, recipient.Phone, recipient.Email, language, text, ct)
            : new("none", "no-text", true);
    }

    private async Task End(Notice notice, string state, string? channel, string? failure, DateTimeOffset now)
    {
        await using var connection = await database.OpenConnectionAsync();
        await connection.ExecuteAsync("""
            update notice set state = @state, recipient = null, ended_at = @now, channel = @channel, failure = @failure, attempts = attempts + 1
            where id = @Id and state = 'Waiting'
            """, new { notice.Id, state, now, channel, failure });
    }

    private async Task Again(Notice notice, DateTimeOffset due, string? failure, bool countsAsAttempt)
    {
        await using var connection = await database.OpenConnectionAsync();
        await connection.ExecuteAsync("""
            update notice set due_at = @due, failure = @failure, attempts = attempts + case when @countsAsAttempt then 1 else 0 end
            where id = @Id and state = 'Waiting'
            """, new { notice.Id, due, failure, countsAsAttempt });
    }
}
