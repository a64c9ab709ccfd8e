using System.Text.Json;
using Dapper;
using MassTransit;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Workflow;
using ServiceDefaults;
using ServiceDefaults.Messaging;

namespace ReferralService.Notices;

/// <summary>
/// Asks the notification service to tell the patient. It hears this service's own events, so that no move waits for it;
/// number or e-mail address go out in a box that only the notification service opens, and its reading stands in the audit.
/// Of an end that is told nobody it asks, too: for silence about what was to be told before.
/// </summary>
internal sealed class WhenPatientIsConcerned(
    ReferralStore store, NpgsqlDataSource database, PatientKeys keys, AllianceDirectory alliance, NoticeKey key, Outbox outbox, TimeProvider clock)
    : IConsumer<ReferralEvent>
{
    private const string Queue = "referral-patient-notices";

    public static readonly Subscription Subscription = new(Queue, ReferralEvents.Exchange, PatientNotice.Hears, typeof(WhenPatientIsConcerned));

    public async Task Consume(ConsumeContext<ReferralEvent> context)
    {
        var (e, now) = (context.Message, clock.GetUtcNow());
        if (await store.Find(e.Data.Id.ToString()) is not { } found)
            return;
        var referral = found.Referral;
        // only a return ends with its parent
        var parent = referral is { IsFinal: true, Relation: Relation.Return, ParentId: { } up } ? (await store.Find(up.ToString()))?.Referral : null;
        if (PatientNotice.Of(e.Type, e.Data, referral, parent, now) is not { } notice)
            return;
        await using var connection = await database.OpenConnectionAsync(context.CancellationToken);
        var telling = notice.Template is null ? null : await Telling(connection, e, notice, referral, found.WrappedKey);
        // after an end that cannot be told either, what still waits would be wrong
        var silence = notice.Template is null || referral.IsFinal ? Silence(e, referral) : null;
        if ((telling ?? silence) is not { } request)
            return;
        outbox.Committed(await connection.QueryAsync<OutboxMessage>("""
            with fresh as (
                insert into inbox (message_id, consumer) values (@Id, @Queue)
                on conflict do nothing
                returning message_id),
            read as (
                insert into audit (at, subject, institution, role, purpose, action, verdict, referral_id)
                select @now, 'system', @Receiver, 'system', 'OPERATIONS', 'notify-patient', 'allowed', @referralId from fresh where @opened)
            insert into outbox (message_id, exchange, routing_key, body)
            select message_id, @exchange, @routingKey, @body from fresh
            returning id, message_id, exchange, routing_key, body
            """, new
        {
            e.Id, Queue, now, referral.Receiver, referralId = referral.Id, opened = request.Recipient.Length > 0,
            exchange = NoticeRequests.Exchange, routingKey = NoticeRequests.Requested,
            body = JsonSerializer.Serialize(request, Json.Lenient),
        }));
    }

    /// <summary>Null for a patient who cannot be reached, or is not on file any more.</summary>
    private async Task<NoticeRequested?> Telling(NpgsqlConnection connection, ReferralEvent e, PatientNotice notice, Referral referral, byte[]? wrapped)
    {
        if (wrapped is null || await connection.ExecuteScalarAsync<byte[]?>("select identity from patient where id = @PatientId", new { referral.PatientId }) is not { } identity
            || RecipientOf(keys.Open<Identity>(wrapped, identity)) is not { } reachable)
            return null;
        var recipient = SealedBox.Seal(key.Pem!, e.Id.ToString(), JsonSerializer.Serialize(reachable, Json.Lenient));
        // where to go and what to bring may say what somebody is ill with: then the institution's name has to do
        var said = notice.StartsAt is not null && !GivesAway(referral) && referral.BookingId is { } booking ? await AppointmentAdvice.Find(connection, booking) : null;
        return new(e.Id, notice.Template!, referral.ReferralNo, referral.IsEmergency, alliance.Current.NameOf(notice.Place) ?? notice.Place,
            notice.StartsAt, notice.ExpiresAt, Convert.ToBase64String(recipient),
            said?.Place, said?.Bring is { Length: > 0 } bring ? bring : null, e.Data.Sequence);
    }

    // without a recipient; a notification service that does not know that yet has this text, finds it expired, and tells nobody
    private static NoticeRequested Silence(ReferralEvent e, Referral referral) =>
        new(e.Id, ReferralEvents.Cancelled, referral.ReferralNo, referral.IsEmergency, "", null, DateTimeOffset.UnixEpoch, "", Sequence: e.Data.Sequence);

    private static bool GivesAway(Referral referral) => referral.Sensitive || Sensitivity.GivesAway(referral.Department, referral.PatientClass);

    /// <summary>A number a text message can go to, else an e-mail address; null where there is neither.</summary>
    private static NoticeRecipient? RecipientOf(Identity patient)
    {
        var digits = string.Concat((patient.Phone ?? "").Where(c => c is not (' ' or '-')));
        return digits.Length is >= 7 and <= 16 && digits.TrimStart('+').All(char.IsAsciiDigit) ? new(digits, null, patient.Language)
            : patient.Email is { } email ? new(null, email, patient.Language)
            : null;
    }
}

/// <summary>The notification service's public key; without it patients are told nothing.</summary>
internal sealed class NoticeKey(IConfiguration configuration)
{
    public string? Pem { get; } = FileOf(configuration) is { } file ? File.ReadAllText(file) : null;

    public static string? FileOf(IConfiguration configuration) =>
        configuration["Notices:PublicKeyFile"] is { Length: > 0 } file ? file : null;
}
