using ReferralService.Referrals.Journey;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>What was looked up when a referral is about to leave its sender.</summary>
/// <param name="OpenDuplicate">Number of an open referral of the same patient, illness and kind within 30 days.</param>
/// <param name="NeedsReview">The sender's settings, or leaving the region, demand a signature first.</param>
/// <param name="LevelSkipped">The target is more than one level above, without emergency or specialist alliance.</param>
internal sealed record SubmissionFacts(string? OpenDuplicate, bool NeedsReview, bool LevelSkipped, bool Reviewed = false)
{
    /// <summary>What the rules of the alliance say today about the slip as it is now.</summary>
    public RuleCheck Rules { get; init; } = RuleCheck.Nothing;

    /// <summary>The slip's reason to go although a rule warns.</summary>
    public RuleOverride? Override { get; init; }

    public static readonly SubmissionFacts None = new(null, false, false);
}

/// <summary>The sender asks: the slip is frozen, the receiver may look, the clock starts.</summary>
/// <param name="ConfirmDuplicate">An open referral for the same illness is known and meant.</param>
/// <param name="Override">Why it goes although a rule warns; the slip's reason when absent.</param>
internal sealed record SubmitReferral(bool ConfirmDuplicate = false, RuleOverride? Override = null) : ICommand
{
    [System.Text.Json.Serialization.JsonIgnore]
    public SubmissionFacts Facts { get; init; } = SubmissionFacts.None;

    public void Check(Checks checks) => Override?.Check(checks, "/override");

    public static Problem? Ask(Referral r, Move<SubmitReferral> move)
    {
        var command = move.Command;
        if (command.ConfirmDuplicate && !r.Flags.Contains("DUPLICATE_CONFIRMED"))
            r.Flags = [.. r.Flags, "DUPLICATE_CONFIRMED"];
        return Leave(r, move, command.Override is null ? command.Facts : command.Facts with { Override = command.Override });
    }

    /// <summary>All that must hold before a referral goes for review.</summary>
    public static Problem? Validate(Referral r, Move<SendForReview> move) => Complete(r);

    /// <summary>Recorded after the patient came (补录): original times, no rule stands in the way of what happened.</summary>
    public static void AskAfterwards(Referral r, Move<RecordArrival> move)
    {
        var arrived = move.Command.ArrivedAt ?? move.Now;
        Start(r, move.Command.AskedAt is { } asked && asked < arrived ? asked : arrived);
        r.AcceptedAt = arrived;
    }

    /// <summary>Every guard of a submission, for submit and approve alike.</summary>
    public static Problem? Leave(Referral r, Move move, SubmissionFacts facts)
    {
        if (Complete(r) is { } incomplete)
            return incomplete;
        // a linked referral continues an illness that is on file: that is no duplicate
        if (facts.OpenDuplicate is { } open && !r.Flags.Contains("DUPLICATE_CONFIRMED") && r.ParentId is null && !r.IsEmergency)
            return new Problem(Refusals.Duplicate) { More = new Dictionary<string, object?> { ["openReferral"] = open } };
        if (facts.LevelSkipped && !r.IsEmergency && !r.Flags.Contains("LEVEL_SKIP_REASONED"))
            return Refusals.Rule("/levelSkipReason", "A referral goes up one level at a time; give a reason to skip one.", "转诊应逐级进行；越级转诊须填写理由。");
        if (RuleOverride.Pass(r, move, facts.Rules, facts.Override) is { } warned)
            return warned;
        if (facts.NeedsReview && !facts.Reviewed && !r.IsEmergency)
            return Refusals.ReviewNeeded;
        Start(r, move.Now);
        return null;
    }

    private static Problem? Complete(Referral r)
    {
        // consent of an emergency may follow within a day
        if (r.ConsentAt is null && !r.IsEmergency)
            return Refusals.Rule("/consent", "The patient's consent must be recorded.", "须记录患者知情同意。");
        if (!r.IsUp && r.ExpectedArrival is null)
            return Refusals.Rule("/expectedArrival", "A downward referral says when the patient is expected.", "下转单须填写预计到达时间。");
        return null;
    }

    private static void Start(Referral r, DateTimeOffset now)
    {
        r.SubmittedAt = now;
        r.LegSubmittedAt = now;
        r.Leg = 1;
        r.Tried = [r.Receiver];
    }
}
