namespace Referrals.Contracts;

/// <summary>
/// Asks the notification service to tell a patient something, or without a recipient to tell nothing of the referral that
/// still waits. Private between the two services: it goes over an exchange
/// of its own, never into the log for the outside, and who is told is encrypted to the notification service's key.
/// </summary>
/// <param name="Id">The same on every repetition.</param>
/// <param name="Notice">Which text: the name of a template, e.g. <c>scheduled</c>.</param>
/// <param name="ReferralNo">Number of the referral: what the reader can ask about.</param>
/// <param name="Urgent">True for an emergency: quiet hours do not hold it back.</param>
/// <param name="Place">Name of the institution the reader is to go to or hears from.</param>
/// <param name="StartsAt">When the reader is to be there.</param>
/// <param name="ExpiresAt">After this nobody needs it any more: it is dropped.</param>
/// <param name="Recipient">Telephone number or e-mail address in a sealed box, base64. Empty: nobody is told, and what was to
/// be told of the referral before <paramref name="Sequence"/> is dropped.</param>
/// <param name="Where">Where in the institution; absent where its name alone would give the illness away.</param>
/// <param name="Bring">What to bring, one thing each; absent: what is usual.</param>
/// <param name="Sequence">Of the event it tells of: news of an appointment takes the place of older news that was not sent yet.</param>
public sealed record NoticeRequested(
    Guid Id, string Notice, string ReferralNo, bool Urgent, string Place, DateTimeOffset? StartsAt, DateTimeOffset ExpiresAt, string Recipient,
    string? Where = null, IReadOnlyList<string>? Bring = null, long? Sequence = null);

/// <summary>Where requests for notices go.</summary>
public static class NoticeRequests
{
    /// <summary>Topic exchange between referral and notification service.</summary>
    public const string Exchange = "notice-requests";

    /// <summary>Routing key of a request.</summary>
    public const string Requested = "notice.requested";
}

/// <summary>What a sealed box holds: a number or an address, and the language its reader prefers.</summary>
/// <param name="Phone">A number for text messages.</param>
/// <param name="Email">An e-mail address, where there is no number.</param>
/// <param name="Language"><c>zh</c> or <c>en</c>; absent: that of the installation.</param>
public sealed record NoticeRecipient(string? Phone, string? Email, string? Language = null);
