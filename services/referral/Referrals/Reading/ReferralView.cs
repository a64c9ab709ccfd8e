using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;

namespace ReferralService.Referrals.Reading;

/// <summary>An institution, department or clinician with its name for people.</summary>
internal sealed record Named(string Code, string? Name);

/// <summary>A patient as a list shows it.</summary>
internal sealed record MaskedPatient(string Name, string Sex, int? BirthYear);

/// <summary>Why this one goes first: shown, so that nobody has to guess.</summary>
internal sealed record PriorityReason(string Code, string Text)
{
    public static PriorityReason? Of(Referral r) => r switch
    {
        { Priority: Priority.Emergency } => new("EMERGENCY", "急诊，绿色通道优先"),
        { Priority: Priority.Urgent, Contracted: true } => new("URGENT_AND_CONTRACTED", "急症，且为家庭医生签约居民，优先就诊、检查和住院"),
        { Priority: Priority.Urgent } => new("URGENT", "急症优先"),
        { Contracted: true } => new("FAMILY_DOCTOR_CONTRACT", "家庭医生签约居民，优先就诊、检查和住院"),
        _ => null,
    };
}

/// <summary>A line of a list: enough to choose what to open, nothing that needs decrypting.</summary>
internal sealed record ReferralLine(
    Guid Id, string ReferralNo, Guid EpisodeId, Direction Direction, ReferralKind Kind, Priority Priority,
    GreenChannel? GreenChannel, string State, DateTimeOffset StateSince, string WaitingFor, Deadline? NextDeadline,
    Named Sender, Named Receiver, Named? Department, string? ClaimedBy, bool Contracted, PriorityReason? PriorityReason, MaskedPatient Patient,
    string? OwnNo, DateTimeOffset? SubmittedAt, DateTimeOffset ChangedAt)
{
    public static ReferralLine Of(Referral r, AllianceSnapshot alliance, string institution) => new(
        r.Id, r.ReferralNo, r.EpisodeId, r.Direction, r.Kind, r.Priority, r.GreenChannel, r.State, r.StateSince,
        Workflow.WaitingFor.Of(r), Deadline.Of(r), new(r.Sender, alliance.NameOf(r.Sender)), new(r.Receiver, alliance.NameOf(r.Receiver)),
        r.Department is null ? null : new(r.Department, alliance.DepartmentName(r.Receiver, r.Department)),
        r.ClaimedBy, r.Contracted, Reading.PriorityReason.Of(r), new(r.PatientMasked, r.PatientSex, r.PatientBirthYear),
        institution == r.Sender ? r.SenderOwnNo : r.ReceiverOwnNo, r.SubmittedAt, r.ChangedAt);
}

/// <summary>One referral, whole. Slip and patient are there for a party with purpose TREATMENT; otherwise masked.</summary>
internal sealed record ReferralView(
    Guid Id, string ReferralNo, Guid EpisodeId, Guid? ParentId, string? ParentNo, Relation? Relation,
    Direction Direction, ReferralKind Kind, Priority Priority, GreenChannel? GreenChannel, PatientClass? PatientClass,
    Channel Channel, bool Synthetic, string State, DateTimeOffset StateSince, long Sequence, string WaitingFor, Deadline? NextDeadline,
    Named Sender, string SenderClinician, Named Receiver, Named? Department, Named? Clinician, int Leg, IReadOnlyList<string> Tried,
    string? SenderOwnNo, string? ReceiverOwnNo, IReadOnlyList<string> Purposes, IReadOnlyList<string> Flags,
    bool Contracted, PriorityReason? PriorityReason, string? ContractId, Named? FamilyDoctor, IReadOnlyList<string> Participants, Named? Origin,
    bool StandingAgreement, bool Sensitive,
    MaskedPatient Patient, Identity? Identity, ReferralForm? Slip, BookingFacts? Booking, DateTimeOffset? ExpectedArrival,
    string? ClaimedBy, Outcome? Outcome, string? Reason, bool AfterAcceptance, bool InError, string? ReplacedBy,
    string? VisitNo, bool? RehabEligible, LinkedReferral? LiveReturn, LinkedReferral? Linked, FollowUpFacts? FollowUps, int? Rating,
    ReferralTimes Times, IReadOnlyList<string> AvailableActions)
{
    public static ReferralView Of(Referral r, AllianceSnapshot alliance, IReadOnlyList<string> actions, ReferralForm? slip, Identity? identity) => new(
        r.Id, r.ReferralNo, r.EpisodeId, r.ParentId, r.ParentNo, r.Relation, r.Direction, r.Kind, r.Priority, r.GreenChannel,
        r.PatientClass, r.Channel, r.Synthetic, r.State, r.StateSince, r.Sequence, Workflow.WaitingFor.Of(r), Deadline.Of(r),
        new(r.Sender, alliance.NameOf(r.Sender)), r.SenderClinician, new(r.Receiver, alliance.NameOf(r.Receiver)),
        r.Department is null ? null : new(r.Department, alliance.DepartmentName(r.Receiver, r.Department)),
        r.Clinician is null ? null : new(r.Clinician, alliance.ClinicianName(r.Clinician)), r.Leg, r.Tried,
        r.SenderOwnNo, r.ReceiverOwnNo, r.Purposes, r.Flags, r.Contracted, Reading.PriorityReason.Of(r), r.ContractId,
        r.FamilyDoctor is null ? null : new(r.FamilyDoctor, alliance.ClinicianName(r.FamilyDoctor)), r.Participants,
        r.Origin is null ? null : new(r.Origin, alliance.NameOf(r.Origin)), r.StandingAgreement, r.Sensitive,
        new(r.PatientMasked, r.PatientSex, r.PatientBirthYear), identity, slip,
        r.BookingId is { } booking ? new(booking, r.BookingResource!, r.BookingStartsAt!.Value, r.BookingEndsAt!.Value) : null,
        r.ExpectedArrival, r.ClaimedBy, r.Outcome, r.Reason, r.AfterAcceptance, r.InError, r.ReplacedBy, r.VisitNo, r.RehabEligible,
        r.LiveChildId is { } child ? new(child, r.LiveChildNo!) : null,
        r.LinkedId is { } linked ? new(linked, r.LinkedNo!) : null,
        r.FollowUpsPlanned > 0 ? new(r.FollowUpsDone, r.FollowUpsPlanned, r.NextFollowUpOn, r.FollowUpsUnreached > 0 ? r.FollowUpsUnreached : null) : null, r.Rating,
        new(r.DraftedAt, r.SubmittedAt, r.AcceptedAt, r.ScheduledAt, r.AcknowledgedAt, r.DispatchedAt, r.ArrivedAt,
            r.TreatmentStartedAt, r.TreatedAt, r.ReturnAcceptedAt, r.EndedAt, r.ConsentAt, r.FirstContactAt, r.CalledAt, r.DoorAt), actions);
}

/// <summary>When each stage was reached first.</summary>
internal sealed record ReferralTimes(
    DateTimeOffset DraftedAt, DateTimeOffset? SubmittedAt, DateTimeOffset? AcceptedAt, DateTimeOffset? ScheduledAt,
    DateTimeOffset? AcknowledgedAt, DateTimeOffset? DispatchedAt, DateTimeOffset? ArrivedAt, DateTimeOffset? TreatmentStartedAt,
    DateTimeOffset? TreatedAt, DateTimeOffset? ReturnAcceptedAt, DateTimeOffset? EndedAt, DateTimeOffset? ConsentAt,
    DateTimeOffset? FirstContactAt, DateTimeOffset? CalledAt, DateTimeOffset? DoorAt);

/// <summary>Another referral of the same episode.</summary>
internal sealed record LinkedReferral(Guid Id, string ReferralNo);
