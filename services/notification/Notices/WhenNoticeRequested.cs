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

    // kept in the place of a text: nothing said before it is told, however late it is heard
    private const string Silence = "silence";

    public async Task Consume(ConsumeContext<NoticeRequested> context)
    {
        var notice = context.Message;
        var (silence, now) = (notice.Recipient.Length == 0, clock.GetUtcNow());
        if (!silence && !templates.Names.Contains(notice.Notice))
            throw new InvalidOperationException($"There is no text for the notice '{notice.Notice}'.");
        await using var connection = await database.OpenConnectionAsync(context.CancellationToken);
        await using var transaction = await connection.BeginTransactionAsync(context.CancellationToken);
        // two requests of one referral at the same time: the later one sees what the earlier one wrote
        await connection.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended(@ReferralNo, 0))", new { notice.ReferralNo }, transaction);
        // an appointment that was moved or fell away is not told any more, nor anything after silence, in whatever order the news came
        await connection.ExecuteAsync("""
            with older as (
                update notice set state = 'Expired', recipient = null, ended_at = @now
                where referral_no = @ReferralNo and sequence < @Sequence and state = 'Waiting' and (@hush or @ends and starts_at is not null)
            )
            insert into notice (id, template, referral_no, urgent, place, starts_at, recipient, state, due_at, expires_at, created_at, ended_at, whereabouts, bring, sequence)
            select @Id, @template, @ReferralNo, @Urgent, @Place, @StartsAt, @recipient::bytea, @state, @due, @ExpiresAt, @now, @ended::timestamptz, @Where, @bring, @Sequence
            where not exists (
                select from notice n where n.referral_no = @ReferralNo and n.sequence > @Sequence
                and (n.template = @Silence or @StartsAt::timestamptz is not null and n.template = any (@Ending)))
            on conflict (id) do nothing
            """, new
        {
            notice.Where, notice.Sequence, Ending, Silence, hush = silence, ends = Ending.Contains(notice.Notice), bring = notice.Bring?.ToArray(),
            notice.Id, notice.ReferralNo, notice.Urgent, notice.Place, notice.StartsAt, notice.ExpiresAt, now,
            template = silence ? Silence : notice.Notice,
            recipient = silence ? null : Convert.FromBase64String(notice.Recipient),
            state = silence ? "Expired" : "Waiting",
            ended = silence ? now : (DateTimeOffset?)null,
            due = notice.Urgent ? now : settings.Awake(now),
        }, transaction);
        await transaction.CommitAsync(context.CancellationToken);
        signals.Notices.Wake();
    }
}
