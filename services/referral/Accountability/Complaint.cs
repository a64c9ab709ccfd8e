using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Accountability;

/// <summary>What a complaint is about.</summary>
internal enum ComplaintSubject
{
    /// <summary>推诿: the patient was refused.</summary>
    Refusal,
    Delay,
    Attitude,
    /// <summary>违规转诊: referred against the rules.</summary>
    IllegalReferral,
    Charges,
    Other,
}

/// <summary>Where a complaint stands; the last three are final.</summary>
internal enum ComplaintState { Filed, Answered, Escalated, Decided, Closed, Withdrawn }

/// <summary>What the alliance's office decided.</summary>
internal enum ComplaintDecision { Upheld, Rejected }

/// <summary>Who may take a step.</summary>
internal enum ComplaintSide { Complainant, Accused, Office }

/// <summary>A complaint about a referral, as the table has it.</summary>
internal sealed record Complaint
{
    public string No { get; init; } = "";
    public Guid ReferralId { get; init; }
    public string ReferralNo { get; init; } = "";
    public ComplaintSubject About { get; init; }
    public string FiledBy { get; init; } = "";
    public string Against { get; init; } = "";
    public ComplaintState State { get; init; }
    public int Version { get; init; }
    public DateTimeOffset FiledAt { get; init; }
    public DateTimeOffset? DueAt { get; init; }
    public DateTimeOffset? AnsweredAt { get; init; }
    public DateTimeOffset? EscalatedAt { get; init; }
    public ComplaintDecision? Decision { get; init; }
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The accused answers within five days, the office decides within ten.</summary>
    public static readonly TimeSpan ToAnswer = TimeSpan.FromDays(5), ToDecide = TimeSpan.FromDays(10);

    /// <summary>Every step a complaint knows; null when this one is not possible here, now, by this side.</summary>
    public Complaint? After(string step, ComplaintSide side, DateTimeOffset now, ComplaintDecision? decision = null) => (step, side, State) switch
    {
        ("answer", ComplaintSide.Accused, ComplaintState.Filed) => To(ComplaintState.Answered) with { AnsweredAt = now, DueAt = null },
        ("close", ComplaintSide.Complainant, ComplaintState.Answered) => End(ComplaintState.Closed, now),
        ("withdraw", ComplaintSide.Complainant, ComplaintState.Filed or ComplaintState.Answered or ComplaintState.Escalated) => End(ComplaintState.Withdrawn, now),
        // the answer does not satisfy, or did not come in time
        ("escalate", ComplaintSide.Complainant, ComplaintState.Answered) => Escalate(now),
        ("escalate", ComplaintSide.Complainant, ComplaintState.Filed) when now > DueAt => Escalate(now),
        ("decide", ComplaintSide.Office, ComplaintState.Escalated) => End(ComplaintState.Decided, now) with { Decision = decision },
        _ => null,
    };

    private Complaint To(ComplaintState state) => this with { State = state, Version = Version + 1 };

    private Complaint End(ComplaintState state, DateTimeOffset now) => To(state) with { EndedAt = now, DueAt = null };

    private Complaint Escalate(DateTimeOffset now) => To(ComplaintState.Escalated) with { EscalatedAt = now, DueAt = now + ToDecide };
}

/// <summary>A new complaint.</summary>
/// <param name="Against">Institution it is about: a party of the referral, or one that had it before.</param>
/// <param name="Text">What happened; kept under the patient's key.</param>
internal sealed record FileComplaint(ComplaintSubject? About, string? Against, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(About, "/about");
        checks.Text(Against, "/against", 64);
        checks.Text(Text, "/text", 4000);
    }
}

/// <summary>What is said with a step.</summary>
internal sealed record SayToComplaint(string? Text) : ICommand
{
    public void Check(Checks checks) => checks.Text(Text, "/text", 4000);
}

/// <summary>What the office decides, and why.</summary>
internal sealed record DecideComplaint(ComplaintDecision? Decision, string? Text) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Decision, "/decision");
        checks.Text(Text, "/text", 4000);
    }
}
