namespace Referrals.Contracts;

/// <summary>
/// An event of the referral service, published to the topic exchange <see cref="ReferralEvents.Exchange"/> with its
/// <see cref="Type"/> as routing key. <see cref="Id"/> is the message id: the same on every repetition.
/// </summary>
public sealed record ReferralEvent(
    string SpecVersion,
    Guid Id,
    string Source,
    string Type,
    string Subject,
    DateTimeOffset Time,
    string DataContentType,
    string DataSchema,
    string Sequence,
    string SequenceType,
    string? TraceParent,
    ReferralFacts Data);

/// <summary>
/// The coded facts of a referral at one event. Ids, codes, states and times only: no name, number, address, phone,
/// diagnosis or free text of a patient. Members an event type does not list are absent.
/// </summary>
public sealed record ReferralFacts
{
    /// <summary>The referral's id.</summary>
    public required Guid Id { get; init; }
    /// <summary>Stable number of the referral, the same on every leg.</summary>
    public required string ReferralNo { get; init; }
    /// <summary>The chain of referrals, up and down, of one patient's illness.</summary>
    public required Guid EpisodeId { get; init; }
    public required Direction Direction { get; init; }
    public required ReferralKind Kind { get; init; }
    public required Priority Priority { get; init; }
    /// <summary>State after the event.</summary>
    public required ReferralState State { get; init; }
    /// <summary>1, 2, 3 … from submit on, without a gap.</summary>
    public required long Sequence { get; init; }
    /// <summary>1 for the first target institution, then one more per redirect.</summary>
    public required int Leg { get; init; }
    /// <summary>Institution that asks: unified social credit code (GB 32100).</summary>
    public required string Sender { get; init; }
    /// <summary>Institution of the live leg: unified social credit code.</summary>
    public required string Receiver { get; init; }
    /// <summary>True for a referral of a sandbox institution.</summary>
    public bool Synthetic { get; init; }

    /// <summary>Department at the receiver (诊疗科目 code).</summary>
    public string? Department { get; init; }
    /// <summary>Clinician ids of the patient's team contract (1+1+1: general practitioner, specialist, health manager): each is to hear of it.</summary>
    public IReadOnlyList<string>? Participants { get; init; }
    /// <summary>Clinician at the receiver, an id and never a name.</summary>
    public string? Clinician { get; init; }
    public GreenChannel? GreenChannel { get; init; }
    public PatientClass? PatientClass { get; init; }
    /// <summary>Of an emergency: the lead hospital of the sender's alliance, whose office is the third party of the alarm; absent where the sender is in no alliance.</summary>
    public string? AllianceOffice { get; init; }
    /// <summary>Why the patient is sent: codes of the list of purposes.</summary>
    public IReadOnlyList<string>? Purposes { get; init; }
    /// <summary>The referral this one came from.</summary>
    public Guid? ParentId { get; init; }
    /// <summary>Number of the referral this one came from.</summary>
    public string? ParentNo { get; init; }
    public Relation? Relation { get; init; }
    /// <summary>The referral this event created or was caused by.</summary>
    public Guid? LinkedId { get; init; }
    /// <summary>Number of the referral this event created or was caused by.</summary>
    public string? LinkedNo { get; init; }
    /// <summary>Institution that acted; <c>system</c> for a timer.</summary>
    public string? Institution { get; init; }
    /// <summary>For whom it acted: a member institution when the alliance office acts, a clinician's id when software does.</summary>
    public string? OnBehalfOf { get; init; }
    /// <summary>Code of the reason list that belongs to the move.</summary>
    public string? Reason { get; init; }
    public Outcome? Outcome { get; init; }
    /// <summary>Target of the leg that a redirect ended.</summary>
    public string? PreviousReceiver { get; init; }
    /// <summary>State before the event, where it matters.</summary>
    public ReferralState? PreviousState { get; init; }
    /// <summary>Day and hour the patient is expected.</summary>
    public DateTimeOffset? ExpectedArrival { get; init; }
    /// <summary>Of an emergency: the times it is measured by, as far as they are known.</summary>
    public GreenTimes? GreenTimes { get; init; }
    /// <summary>Earliest and latest time a booking may start.</summary>
    public BookingWindow? Window { get; init; }
    /// <summary>What must be booked: Slot, Bed, Equipment, Reading, Session, Ward, Visit; absent when nothing is.</summary>
    public string? Resource { get; init; }
    /// <summary>Sets of special wards the patient may use, e.g. <c>RehabJointWard</c>.</summary>
    public IReadOnlyList<string>? Eligibility { get; init; }
    /// <summary>True when a family-doctor contract with the sender gives priority.</summary>
    public bool? Contracted { get; init; }
    /// <summary>True when a standing agreement accepted an emergency in advance.</summary>
    public bool? StandingAgreement { get; init; }
    public BookingFacts? Booking { get; init; }
    /// <summary>True for a place out of a pool that is reserved for contracted patients (家庭医生预留号源).</summary>
    public bool? FromPool { get; init; }
    /// <summary>True when the receiver had already accepted.</summary>
    public bool? AfterAcceptance { get; init; }
    /// <summary>True when the patient may go on to rehab at the primary level.</summary>
    public bool? RehabEligible { get; init; }
    /// <summary>From where the 48 hours of the closed loop count for this referral, as its alliance had set it.</summary>
    public LoopStart? LoopFrom { get; init; }
    public FollowUpFacts? FollowUp { get; init; }
    public DeadlineFacts? Deadline { get; init; }
    /// <summary>What the indicators count: warnings that were overridden, e.g. <c>IN_CATALOGUE_NO_INDICATION</c>, and what was noted by code.</summary>
    public IReadOnlyList<string>? Flags { get; init; }
    /// <summary>Satisfaction, 1 (bad) to 5 (good).</summary>
    public int? Rating { get; init; }
}

/// <summary>The times an emergency is measured by; what nobody has said yet is absent.</summary>
/// <param name="FirstContactAt">When a doctor first saw the patient (首次医疗接触).</param>
/// <param name="CalledAt">When help was called.</param>
/// <param name="DepartedAt">When the patient left the sender.</param>
/// <param name="ArrivedAt">When the patient reached the receiver.</param>
/// <param name="DoorAt">When the patient came through the door.</param>
public sealed record GreenTimes(
    DateTimeOffset? FirstContactAt, DateTimeOffset? CalledAt, DateTimeOffset? DepartedAt, DateTimeOffset? ArrivedAt, DateTimeOffset? DoorAt);

/// <summary>Earliest and latest start of a booking.</summary>
/// <param name="From">Earliest start.</param>
/// <param name="Until">Latest start.</param>
public sealed record BookingWindow(DateTimeOffset From, DateTimeOffset Until);

/// <summary>A held slot or bed.</summary>
/// <param name="Id">The booking's id.</param>
/// <param name="Resource">Slot, Bed, Equipment, Reading, Session, Ward or Visit.</param>
/// <param name="StartsAt">When the patient is to be there.</param>
/// <param name="EndsAt">When the place is free again.</param>
public sealed record BookingFacts(Guid Id, string Resource, DateTimeOffset StartsAt, DateTimeOffset EndsAt);

/// <summary>From where the 48 hours of the closed loop count.</summary>
public enum LoopStart { Accepted, Arrived }

/// <summary>Follow-up number <c>Number</c> of <c>Of</c>; <c>NextDueOn</c> is a calendar day.</summary>
/// <param name="Number">How many were done so far.</param>
/// <param name="Of">How many are planned.</param>
/// <param name="NextDueOn">Day of the next one; absent when none is left.</param>
/// <param name="Unreached">Attempts since the last one at which nobody was reached; absent when there was none.</param>
public sealed record FollowUpFacts(int Number, int Of, DateOnly? NextDueOn, int? Unreached = null);

/// <summary>A timer of a referral: its name, when it is due and how many levels have passed.</summary>
/// <param name="Timer">Name of the timer, e.g. <c>Triage</c>.</param>
/// <param name="DueAt">When that level was due; where nobody was reached, when the timer that runs is due next.</param>
/// <param name="Level">1 for the first level.</param>
/// <param name="To">Whom this level reaches, e.g. <c>DepartmentHead</c>; absent where it reaches nobody in particular.</param>
public sealed record DeadlineFacts(string Timer, DateTimeOffset DueAt, int Level, IReadOnlyList<string>? To = null);

/// <summary>The vocabulary of the referral service: every event, what it means and what it may say.</summary>
public static class ReferralEvents
{
    /// <summary>Topic exchange of these events; the routing key is the event's type.</summary>
    public const string Exchange = "referral-events";

    public const string Submitted = "submitted";
    public const string TriageStarted = "triage-started";
    public const string Assigned = "assigned";
    public const string Released = "released";
    public const string InformationRequested = "information-requested";
    public const string InformationSupplied = "information-supplied";
    public const string QuestionWithdrawn = "question-withdrawn";
    public const string Accepted = "accepted";
    public const string Waitlisted = "waitlisted";
    public const string Declined = "declined";
    public const string Redirected = "redirected";
    public const string Advised = "advised";
    public const string Converted = "converted";
    public const string Reported = "reported";
    public const string Scheduled = "scheduled";
    public const string Rescheduled = "rescheduled";
    public const string BookingCancelled = "booking-cancelled";
    public const string NoShow = "no-show";
    public const string ArrivalChanged = "arrival-changed";
    public const string InTransit = "in-transit";
    public const string Acknowledged = "acknowledged";
    public const string Arrived = "arrived";
    public const string TreatmentStarted = "treatment-started";
    public const string InterimNote = "interim-note";
    public const string Treated = "treated";
    public const string ReturnInitiated = "return-initiated";
    public const string ReturnAccepted = "return-accepted";
    public const string ReferredOnward = "referred-onward";
    public const string FollowUpRecorded = "follow-up-recorded";
    public const string FollowUpOverdue = "follow-up-overdue";
    public const string PlanAdjusted = "plan-adjusted";
    public const string Completed = "completed";
    public const string ReReferred = "re-referred";
    public const string CancellationRequested = "cancellation-requested";
    public const string CancellationTakenBack = "cancellation-taken-back";
    public const string CancellationRefused = "cancellation-refused";
    public const string Cancelled = "cancelled";
    public const string Expired = "expired";
    public const string Closed = "closed";
    public const string PriorityRaised = "priority-raised";
    public const string PriorityLowered = "priority-lowered";
    public const string MadeEmergency = "made-emergency";
    public const string DeadlineWarning = "deadline-warning";
    public const string DeadlineMissed = "deadline-missed";
    public const string Escalated = "escalated";
    public const string AttachmentAdded = "attachment-added";
    public const string NoteAdded = "note-added";
    public const string AddendumAdded = "addendum-added";
    public const string ConsentFiled = "consent-filed";
    public const string PatientIdentified = "patient-identified";
    public const string MarkedInError = "marked-in-error";
    public const string Rated = "rated";

    /// <summary>The full type of an event, e.g. <c>referral.up.accepted</c>.</summary>
    public static string TypeOf(Direction direction, string name) =>
        direction == Direction.Up ? "referral.up." + name : "referral.down." + name;

    /// <summary>The last part of a full type: <c>referral.up.accepted</c> → <c>accepted</c>.</summary>
    public static string NameOf(string type) => type[(type.LastIndexOf('.') + 1)..];

    /// <summary>Members every referral event carries.</summary>
    public static readonly IReadOnlyList<string> Always =
    [
        "id", "referralNo", "episodeId", "direction", "kind", "priority", "state", "sequence", "leg", "sender",
        "receiver", "synthetic", "department", "institution", "onBehalfOf", "participants",
    ];

    public static readonly IReadOnlyList<EventDefinition> All =
    [
        new(Submitted, "The sender asked; the receiver may now see it.", "greenChannel", "patientClass", "purposes",
            "parentId", "parentNo", "relation", "expectedArrival", "contracted", "standingAgreement", "reason", "flags", "greenTimes", "allianceOffice"),
        new(TriageStarted, "A clinician of the receiver claimed it.", "clinician"),
        new(Assigned, "A coordinator gave it to a clinician.", "clinician"),
        new(Released, "The clinician gave it back, or the claim ran out.", "clinician", "reason"),
        new(InformationRequested, "The receiver asked the sender for something missing.", "reason"),
        new(InformationSupplied, "The sender answered the question."),
        new(QuestionWithdrawn, "The receiver no longer needs the answer."),
        new(Accepted, "The receiver took the patient over; a booking is asked for where the kind needs one.",
            "clinician", "greenChannel", "patientClass", "expectedArrival", "window", "resource", "eligibility",
            "contracted", "standingAgreement"),
        new(Waitlisted, "Accepted, but nothing is free inside the window.", "clinician", "resource"),
        new(Declined, "The receiver refused, with a coded reason.", "clinician", "reason", "afterAcceptance"),
        new(Redirected, "The leg ended and the next one began at another institution.", "previousReceiver", "reason",
            "greenChannel", "expectedArrival", "window", "resource", "eligibility", "contracted", "allianceOffice"),
        new(Advised, "Advice was given instead of a transfer.", "clinician", "reason", "outcome", "linkedId", "linkedNo"),
        new(Converted, "It became a transfer of its own.", "clinician", "linkedId", "linkedNo", "outcome"),
        new(Reported, "The report of an examination, reading or consultation is there.", "clinician", "outcome", "reason", "flags"),
        new(Scheduled, "A slot or bed is held.", "clinician", "booking", "fromPool"),
        new(Rescheduled, "Another slot or bed is held instead.", "clinician", "booking", "fromPool"),
        new(BookingCancelled, "The booking fell away; it is to be booked again.", "reason", "expectedArrival", "window",
            "resource", "eligibility", "contracted"),
        new(NoShow, "The patient did not come.", "reason", "booking", "expectedArrival"),
        new(ArrivalChanged, "The expected arrival changed.", "expectedArrival"),
        new(InTransit, "The patient is on the way.", "expectedArrival", "greenChannel", "resource", "window",
            "eligibility", "standingAgreement", "greenTimes", "allianceOffice"),
        new(Acknowledged, "The receiver answered the emergency's alarm.", "greenChannel", "clinician", "greenTimes", "allianceOffice"),
        new(Arrived, "The patient is at the receiver.", "parentId", "parentNo", "booking", "greenChannel", "flags", "greenTimes", "allianceOffice"),
        new(TreatmentStarted, "The visit or admission is open.", "clinician"),
        new(InterimNote, "The receiver recorded progress.", "clinician"),
        new(Treated, "Treated; the loop is not closed yet.", "clinician", "rehabEligible", "loopFrom"),
        new(ReturnInitiated, "The downward referral was created.", "linkedId", "linkedNo", "patientClass"),
        new(ReturnAccepted, "The downward referral was accepted.", "linkedId", "linkedNo"),
        new(ReferredOnward, "A further upward referral of the same episode was created.", "linkedId", "linkedNo"),
        new(FollowUpRecorded, "Follow-up n of m was recorded, or that nobody was reached for it (followUp.unreached).", "clinician", "followUp"),
        new(FollowUpOverdue, "A planned follow-up did not happen in time.", "followUp", "deadline"),
        new(PlanAdjusted, "The hospital's specialist changed the plan.", "clinician", "followUp"),
        new(Completed, "The good end; outcome says which.", "outcome", "reason", "linkedId", "linkedNo", "rehabEligible",
            "followUp", "allianceOffice"),
        new(ReReferred, "The patient is referred again: up once more by the receiver below, or by the sender after a refusal or an end.", "linkedId", "linkedNo"),
        new(CancellationRequested, "The sender asked to cancel after acceptance.", "reason", "previousState"),
        new(CancellationTakenBack, "The sender took the request back."),
        new(CancellationRefused, "The receiver refused to cancel.", "reason"),
        new(Cancelled, "Withdrawn by sender or patient.", "reason", "afterAcceptance", "allianceOffice"),
        new(Expired, "Nobody acted until the last level of a timer passed.", "deadline", "previousState"),
        new(Closed, "Ended otherwise, with a coded reason.", "reason", "previousState", "linkedId", "linkedNo", "allianceOffice"),
        new(PriorityRaised, "Routine became Urgent.", "reason"),
        new(PriorityLowered, "Urgent became Routine.", "reason"),
        new(MadeEmergency, "It became an emergency.", "greenChannel", "previousState", "standingAgreement",
            "resource", "window", "eligibility", "contracted", "greenTimes", "allianceOffice"),
        new(DeadlineWarning, "A deadline comes close.", "deadline"),
        new(DeadlineMissed, "A deadline passed.", "deadline"),
        new(Escalated, "A missed deadline went one level up, or nobody was reached for a follow-up three times in a row (reason UNREACHABLE).", "deadline", "reason", "allianceOffice"),
        new(AttachmentAdded, "An attachment was added.", "reason", "flags"),
        new(NoteAdded, "A note was added."),
        new(AddendumAdded, "Something was added after submit; the snapshot stays. With reason BREAK_GLASS somebody who is no party opened it.", "reason", "greenTimes"),
        new(ConsentFiled, "The consent is on file."),
        new(PatientIdentified, "The patient of an emergency is known now."),
        new(MarkedInError, "Entered in error: it leaves the indicators.", "reason"),
        new(Rated, "The patient's satisfaction.", "rating"),
    ];
}
