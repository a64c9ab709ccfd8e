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

    // after these an appointment that was told before is not the one to come to
    private static readonly string[] Ending = ["rescheduled", "booking-cancelled", "no-show", "cancelled", "declined", "redirected", "expired", "advised", "closed"];

    public async Task Consume(ConsumeContext<NoticeRequested> context)
    {
        var notice = context.Message;
        if (!templates.Names.Contains(notice.Notice))
            throw new InvalidOperationException($"There is no text for the notice '{notice.Notice}'.");
        var now = clock.GetUtcNow();
        await using var connection = await database.OpenConnectionAsync(context.CancellationToken);
        // an appointment that was moved or fell away is not told any more, in whatever order the news came
        await connection.ExecuteAsync("""
            with older as (
                update notice set state = 'Expired', recipient = null, ended_at = @now
                where referral_no = @ReferralNo and sequence < @Sequence and starts_at is not null and state = 'Waiting' and @ends
            )
            insert into notice (id, template, referral_no, urgent, place, starts_at, recipient, state, due_at, expires_at, created_at, whereabouts, bring, sequence)
            select @Id, @Notice, @ReferralNo, @Urgent, @Place, @StartsAt, @recipient, 'Waiting', @due, @ExpiresAt, @now, @Where, @bring, @Sequence
            where @StartsAt::timestamptz is null or not exists (
                select from notice n where n.referral_no = @ReferralNo and n.sequence > @Sequence and n.template = any (@Ending))
            on conflict (id) do nothing
            """, new
        {
            notice.Where, notice.Sequence, Ending, ends = Ending.Contains(notice.Notice), bring = notice.Bring?.ToArray(),
            notice.Id, notice.Notice, notice.ReferralNo, notice.Urgent, notice.Place, notice.StartsAt, notice.ExpiresAt, now,
            recipient = Convert.FromBase64String(notice.Recipient),
            due = notice.Urgent ? now : settings.Awake(now),
        });
        signals.Notices.Wake();
    }
}
