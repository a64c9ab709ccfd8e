using Referrals.Contracts;
using ReferralService.Referrals.Booking;

namespace ReferralService.Matching;

/// <summary>What is looked for, as far as the ranking depends on it. It names nobody.</summary>
internal sealed record MatchQuestion
{
    public required ReferralKind Kind { get; init; }
    public Priority Priority { get; init; }
    public GreenChannel? GreenChannel { get; init; }
    public PatientClass? PatientClass { get; init; }
    /// <summary>Institution that refers.</summary>
    public required string Sender { get; init; }
    /// <summary>Departments (诊疗科目) that are fit, any of them.</summary>
    public required IReadOnlyList<string> Departments { get; init; }
    /// <summary>Levels that the indications ask for; empty where none does.</summary>
    public IReadOnlyList<string> Levels { get; init; } = [];
    /// <summary>Kind of place that will be booked.</summary>
    public string? Resource { get; init; }
    /// <summary>Hospitals of the patient's contract, or downward its clinic.</summary>
    public IReadOnlyList<string> Partners { get; init; } = [];
    /// <summary>Who sent the patient up before: where a return goes first.</summary>
    public string? CameFrom { get; init; }
    /// <summary>Grid (网格) the patient lives in.</summary>
    public string? ResidenceGrid { get; init; }
    /// <summary>Institutions that had it already.</summary>
    public IReadOnlyList<string> Tried { get; init; } = [];
    /// <summary>In the set that may use the rehab joint ward.</summary>
    public bool JointWard { get; init; }
    public required DateOnly On { get; init; }
    /// <summary>What each reason is worth to the sender's alliance.</summary>
    public MatchWeights Weights { get; init; } = MatchWeights.Default;

    public bool IsUp => Kind != ReferralKind.RehabReturn;

    /// <summary>The kind of place a referral of this sort books.</summary>
    public static string? ResourceOf(ReferralKind kind, bool jointWard) => kind switch
    {
        ReferralKind.OutpatientTransfer => "Slot",
        ReferralKind.InpatientTransfer => "Bed",
        ReferralKind.Examination => "Equipment",
        ReferralKind.Teleconsultation => "Session",
        ReferralKind.RehabReturn => jointWard ? "Ward" : "Visit",
        _ => null,
    };
}

/// <summary>One thing that speaks for or against a candidate.</summary>
/// <param name="Code">Stable code for programs, e.g. <c>CONTRACT_PARTNER</c>.</param>
/// <param name="Points">What it adds to the score.</param>
/// <param name="Sentence">The same for people, in Chinese.</param>
internal sealed record MatchReason(string Code, int Points, string Sentence, string SentenceEn);

/// <summary>A hospital and its department, with everything that speaks for or against it.</summary>
/// <param name="WaitingDays">Days until the first free place; null when scheduling said nothing or nothing is free.</param>
internal sealed record Candidate(
    string Institution, string Department, string? Clinician, int Score, DateOnly? EarliestOn, int? WaitingDays, int? Free, int? DistanceKm,
    IReadOnlyList<MatchReason> Reasons);
