using Dapper;
using MassTransit;
using Npgsql;
using Referrals.Contracts;
using ServiceDefaults.Messaging;

namespace NotificationService;

/// <summary>Hears that somebody is to be told something, and keeps it, once, until it is sent.</summary>
internal sealed class WhenNoticeRequested(NpgsqlDataSource database, NoticeTemplates templates, NoticeSettings settings, Signals signals, TimeProvider clock)
    : IConsumer<NoticeRequested>
{
    public static readonly Subscription Subscription = new("notification-notice-requests",
        NoticeRequests.Exchange, [NoticeRequests.Requested], typeof(WhenNoticeRequested));

    public async Task Consume(ConsumeContext<NoticeRequested> context)
    {
        var notice = context.Message;
        if (!templates.Names.Contains(notice.Notice))
            throw new InvalidOperationException($"There is no text for the notice '{notice.Notice}'.");
        var now = clock.GetUtcNow();
        await using var connection = await database.OpenConnectionAsync(context.CancellationToken);
        await connection.ExecuteAsync("""
            insert into notice (id, template, referral_no, urgent, place, starts_at, recipient, state, due_at, expires_at, created_at)
            values (@Id, @Notice, @ReferralNo, @Urgent, @Place, @StartsAt, @recipient, 'Waiting', @due, @ExpiresAt, @now)
            on conflict (id) do nothing
            """, new
        {
            notice.Id, notice.Notice, notice.ReferralNo, notice.Urgent, notice.Place, notice.StartsAt, notice.ExpiresAt, now,
            recipient = Convert.FromBase64String(notice.Recipient),
            due = notice.Urgent ? now : settings.Awake(now),
        });
        signals.Notices.Wake();
    }
}
