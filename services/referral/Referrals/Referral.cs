using MassTransit;
using Referrals.Contracts;

namespace ReferralService.Referrals;

/// <summary>
/// One referral: the row of the table <c>referral</c> and the instance of <see cref="ReferralStateMachine"/>. Only
/// the machine changes it; <see cref="ReferralStore"/> writes it together with its history and events.
/// </summary>
internal sealed class Referral : SagaStateMachineInstance
{
    public Guid Id { get; set; }
    public string ReferralNo { get; set; } = "";
    public Guid EpisodeId { get; set; }
    public Guid? ParentId { get; set; }
    public string? ParentNo { get; set; }
    public Relation? Relation { get; set; }
    public Direction Direction { get; set; }
    public ReferralKind Kind { get; set; }
    public Priority Priority { get; set; }
    public GreenChannel? GreenChannel { get; set; }
    public PatientClass? PatientClass { get; set; }
    public Channel Channel { get; set; }
    public bool Synthetic { get; set; }

    public Guid PatientId { get; set; }
    /// <summary>As lists show it: 张*.</summary>
    public string PatientMasked { get; set; } = "";
    public string PatientSex { get; set; } = "0";
    public int? PatientBirthYear { get; set; }
    public int SlipVersion { get; set; }

    public string Sender { get; set; } = "";
    public string SenderClinician { get; set; } = "";
    public string Receiver { get; set; } = "";
    public string? Department { get; set; }
    public string? Clinician { get; set; }
    public int Leg { get; set; }
    /// <summary>Every target so far, the live one last: a redirect never goes back.</summary>
    public string[] Tried { get; set; } = [];
    /// <summary>The target has no account: the sender or the alliance office records its moves.</summary>
    public bool External { get; set; }
    public string? SenderOwnNo { get; set; }
    public string? ReceiverOwnNo { get; set; }

    public string? DiagnosisCode { get; set; }
    /// <summary>First three characters of the diagnosis code.</summary>
    public string? DiagnosisGroup { get; set; }
    public bool Sensitive { get; set; }
    public string[] Purposes { get; set; } = [];
    public string[] Eligibility { get; set; } = [];
    public string[] Flags { get; set; } = [];
    public bool Contracted { get; set; }
    /// <summary>The village clinic that drafted it for its township.</summary>
    public string? Origin { get; set; }
    /// <summary>The patient's family-doctor contract when it was submitted.</summary>
    public string? ContractId { get; set; }
    /// <summary>The family doctor may read it, whoever sends and receives.</summary>
    public string? FamilyClinic { get; set; }
    public string? FamilyDoctor { get; set; }
    /// <summary>Clinician ids of a team contract (1+1+1): each hears of every event.</summary>
    public string[] Participants { get; set; } = [];
    public bool StandingAgreement { get; set; }

    /// <summary>Name of the state; <c>Initial</c> before the first move.</summary>
    public string State { get; set; } = "";
    public DateTimeOffset StateSince { get; set; }
    public long Version { get; set; }
    public long Sequence { get; set; }
    public long EtagVersion { get; set; }
    public string Author { get; set; } = "";

    public string? ClaimedBy { get; set; }
    public DateTimeOffset? ClaimedUntil { get; set; }
    /// <summary>Given to a doctor by a coordinator: the claim has no time limit.</summary>
    public bool Assigned { get; set; }
    /// <summary>Where a cancellation request came from.</summary>
    public string? CameFrom { get; set; }
    public string? Reason { get; set; }
    public Outcome? Outcome { get; set; }
    public bool AfterAcceptance { get; set; }
    public string? ReplacedBy { get; set; }

    public DateTimeOffset DraftedAt { get; set; }
    public DateTimeOffset? SubmittedAt { get; set; }
    /// <summary>From when triage of this leg counts: its submission, or the last change of priority.</summary>
    public DateTimeOffset? LegSubmittedAt { get; set; }
    /// <summary>How long triage stood still because the sender was asked something.</summary>
    public TimeSpan TriagePaused { get; set; }
    public DateTimeOffset? AcceptedAt { get; set; }
    public DateTimeOffset? ScheduledAt { get; set; }
    public DateTimeOffset? AcknowledgedAt { get; set; }
    public DateTimeOffset? DispatchedAt { get; set; }
    public DateTimeOffset? ArrivedAt { get; set; }
    /// <summary>Of an emergency: when a doctor first saw the patient.</summary>
    public DateTimeOffset? FirstContactAt { get; set; }
    /// <summary>Of an emergency: when help was called.</summary>
    public DateTimeOffset? CalledAt { get; set; }
    /// <summary>Of an emergency: when the patient came through the door.</summary>
    public DateTimeOffset? DoorAt { get; set; }
    public DateTimeOffset? TreatmentStartedAt { get; set; }
    public DateTimeOffset? TreatedAt { get; set; }
    public DateTimeOffset? EndedAt { get; set; }
    public DateTimeOffset? ConsentAt { get; set; }
    public bool Identified { get; set; }

    public Guid? BookingId { get; set; }
    public string? BookingResource { get; set; }
    public DateTimeOffset? BookingStartsAt { get; set; }
    public DateTimeOffset? BookingEndsAt { get; set; }
    public string? BookingCodeHash { get; set; }
    public long BookingAttempt { get; set; }
    public DateTimeOffset? ExpectedArrival { get; set; }

    public string? VisitNo { get; set; }
    public bool? RehabEligible { get; set; }
    /// <summary>The downward child that is under way.</summary>
    public Guid? LiveChildId { get; set; }
    public string? LiveChildNo { get; set; }
    public DateTimeOffset? ReturnAcceptedAt { get; set; }
    /// <summary>Since when the patient waits for a way back; starts again when a child ends without arrival.</summary>
    public DateTimeOffset? ReturnSince { get; set; }
    public Guid? LinkedId { get; set; }
    public string? LinkedNo { get; set; }
    public int FollowUpsPlanned { get; set; }
    public int FollowUpsDone { get; set; }
    /// <summary>Attempts since the last follow-up at which nobody was reached.</summary>
    public int FollowUpsUnreached { get; set; }
    public DateOnly? NextFollowUpOn { get; set; }
    public DateTimeOffset? FollowUpSince { get; set; }
    public int? Rating { get; set; }
    public bool InError { get; set; }

    public DateTimeOffset ChangedAt { get; set; }

    /// <summary>Running timers as JSON; <see cref="Deadlines.Timers"/> reads and writes it.</summary>
    public string Timers { get; set; } = "[]";
    public string? NextDeadline { get; set; }
    public DateTimeOffset? NextDeadlineAt { get; set; }

    /// <summary>The row as the last history row told it; null before the first.</summary>
    public Workflow.Told? Told { get; set; }

    /// <summary>As what the caller of this request opened it; null where nobody did.</summary>
    public Privacy.OpeningKind? Opened { get; set; }

    /// <summary>The care has ended, and the person asked that nobody works with their data then.</summary>
    public bool Restricted { get; set; }

    /// <summary>Whose draft it is that this one is linked with; null once that was sent. Partners never hear of drafts.</summary>
    public string? LinkDraftedBy { get; set; }

    /// <summary>What it was linked with was discarded before it was sent: the case goes on nowhere.</summary>
    public bool LinkDiscarded { get; set; }

    Guid ISaga.CorrelationId { get => Id; set => Id = value; }

    public bool IsEmergency => Priority == Priority.Emergency;
    public bool IsUp => Direction == Direction.Up;
    public bool IsFinal => EndedAt is not null;
    public bool IsBooked => BookingId is not null;
    /// <summary>The case goes on under another number.</summary>
    public bool GoesOn => LinkedId is not null && !LinkDiscarded;

    public void LinkWith(Workflow.NewReferral next)
    {
        (LinkedId, LinkedNo) = (next.Referral.Id, next.Referral.ReferralNo);
        (LinkDraftedBy, LinkDiscarded) = (next.MustBeSigned ? next.Referral.Sender : null, false);
    }

    public bool At(ReferralState state) => State == state.ToString();
    public bool At(params ReadOnlySpan<ReferralState> states)
    {
        foreach (var state in states)
            if (At(state))
                return true;
        return false;
    }
}

/// <summary>How the referral came in.</summary>
internal enum Channel { CLINIC_WINDOW, APP, MINI_PROGRAM, HIS, RETRO_ENTRY }
