using Referrals.Contracts;

namespace ReferralService.Certificates;

/// <summary>Whether an insurer may rely on it.</summary>
internal enum CertificateStatus
{
    /// <summary>Accepted by the receiver; the patient has not come yet.</summary>
    Valid,
    /// <summary>The patient came with it: the one use it is good for.</summary>
    Used,
    /// <summary>Cancelled, declined afterwards, sent on to another institution, or entered in error.</summary>
    Revoked,
    /// <summary>The patient did not come in time.</summary>
    Expired,
}

/// <summary>What a certificate is made of: one leg of a referral, as the table says it now.</summary>
internal sealed record CertifiedLeg
{
    public Guid ReferralId { get; init; }
    public string ReferralNo { get; init; } = "";
    public Guid EpisodeId { get; init; }
    public Direction Direction { get; init; }
    public ReferralKind Kind { get; init; }
    public Priority Priority { get; init; }
    public string Sender { get; init; } = "";
    public string Receiver { get; init; } = "";
    public string PatientMasked { get; init; } = "";
    public string PatientSex { get; init; } = "";
    public int? PatientBirthYear { get; init; }
    public string[] Tried { get; init; } = [];
    public int Leg { get; init; }
    public bool IsLast { get; init; }
    public DateTimeOffset IssuedAt { get; init; }
    public DateTimeOffset? SentOnAt { get; init; }
    public DateTimeOffset? InErrorAt { get; init; }
    public DateTimeOffset? ArrivedAt { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    public string State { get; init; } = "";
    public DateTimeOffset? ExpectedAt { get; init; }

    public string No => $"{ReferralNo}-{Leg}";

    /// <summary>Thirty days, and in any case two days beyond the day the patient is expected.</summary>
    public DateTimeOffset ValidUntil => ExpectedAt?.AddDays(2) is { } expected && expected > IssuedAt + Certificates.ValidFor
        ? expected : IssuedAt + Certificates.ValidFor;

    /// <summary>Where it stands now, since when, and why.</summary>
    public (CertificateStatus Status, DateTimeOffset? Since, string? Reason) StandsAt(DateTimeOffset now) => this switch
    {
        { InErrorAt: { } at } => (CertificateStatus.Revoked, at, "EnteredInError"),
        { SentOnAt: { } at } => (CertificateStatus.Revoked, at, "Redirected"),
        { IsLast: true, ArrivedAt: { } at } => (CertificateStatus.Used, at, null),
        { EndedAt: { } at } => (CertificateStatus.Revoked, at, State),
        _ when now > ValidUntil => (CertificateStatus.Expired, ValidUntil, null),
        _ => (CertificateStatus.Valid, IssuedAt, null),
    };
}

internal static class Certificates
{
    public static readonly TimeSpan ValidFor = TimeSpan.FromDays(30);

    /// <summary>How long a signed copy is good: an insurer that settles later asks again.</summary>
    public static readonly TimeSpan LongestSignature = TimeSpan.FromDays(90);

    public const string Type = "referral-certificate+jwt";
}

/// <summary>A certificate as it is shown, with a signed copy while it may be relied on.</summary>
/// <param name="No">Referral number and leg.</param>
/// <param name="Since">When it came to this status.</param>
/// <param name="Reason">Why it is revoked: Cancelled, Declined, Closed, Expired, Redirected or EnteredInError.</param>
/// <param name="InAlliance">Both were members of one alliance when it was issued.</param>
/// <param name="Chain">The episode so far, for a continuous deductible.</param>
/// <param name="Signed">JWS (ES256) of the same facts; absent when revoked or expired.</param>
internal sealed record CertificateView(
    string No, CertificateStatus Status, DateTimeOffset? Since, string? Reason, string ReferralNo, int Leg, Guid EpisodeId, Direction Direction,
    ReferralKind Kind, bool Emergency, CertifiedInstitution From, CertifiedInstitution To, DateTimeOffset IssuedAt, DateTimeOffset ValidUntil,
    bool InAlliance, CertifiedPatient Patient, IReadOnlyList<CertifiedStep> Chain, string? Signed);

internal sealed record CertifiedInstitution(string Code, string? Name);

/// <summary>Enough to see that it is the same person, and no more; /holder compares an identity number.</summary>
internal sealed record CertifiedPatient(string Masked, string Sex, int? BirthYear);

/// <summary>One accepted referral of the episode.</summary>
/// <param name="AdmittedAt">When the patient was registered at the receiver.</param>
internal sealed record CertifiedStep(
    string ReferralNo, Direction Direction, string From, string To, bool InAlliance, DateTimeOffset AcceptedAt, DateTimeOffset? AdmittedAt, DateTimeOffset? EndedAt);
