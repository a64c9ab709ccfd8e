namespace Referrals.Contracts;

/// <summary>Up: clinic to hospital, or hospital to a higher one. Down: hospital to clinic, rehab ward or nursing home.</summary>
public enum Direction { Up, Down }

/// <summary>What is asked for; it decides direction, resource and which moves exist.</summary>
public enum ReferralKind
{
    /// <summary>A clinic appointment at the receiver (门诊).</summary>
    OutpatientTransfer,
    /// <summary>A bed at the receiver (住院).</summary>
    InpatientTransfer,
    /// <summary>An examination above, asked for below (基层申请, 上级检查).</summary>
    Examination,
    /// <summary>Examined below, read above (基层检查、上级诊断).</summary>
    DiagnosticReading,
    /// <summary>A consultation over distance; the patient stays.</summary>
    Teleconsultation,
    /// <summary>Written advice; nothing is booked.</summary>
    Advice,
    /// <summary>The way back: rehab, stable chronic or after-care at the primary level (下转).</summary>
    RehabReturn,
}

/// <summary>How soon. Emergency exists upward only.</summary>
public enum Priority { Routine, Urgent, Emergency }

/// <summary>Emergency pathways with pre-arranged admission (绿色通道).</summary>
public enum GreenChannel { ChestPain, Stroke, Trauma, Obstetric, Neonatal, Other }

/// <summary>Who is sent down.</summary>
public enum PatientClass { Rehab, ChronicStable, PostAcute, Geriatric, Palliative, Other }

/// <summary>How a linked referral came from its parent.</summary>
public enum Relation { Return, Onward, ReReferral, Conversion }

/// <summary>Where a referral stands. The last six are final.</summary>
public enum ReferralState
{
    Draft, InternalReview, Submitted, InTriage, InformationRequested, Accepted, Waitlisted, Scheduled, NoShow,
    InTransit, Arrived, InTreatment, Treated, FollowUp, CancellationRequested,
    Completed, Advised, Declined, Cancelled, Expired, Closed,
}

/// <summary>What a referral ended with when it is <see cref="ReferralState.Completed"/>.</summary>
public enum Outcome
{
    Returned, NotReturned, TransferredOn, Reported, Consulted, Converted, PlanFinished, ReReferred,
}
