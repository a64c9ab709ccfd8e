using System.Text.Json.Nodes;
using ReferralService.Alliances;
using ReferralService.Matching;
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
    /// <summary>Region and alliance are left, and the sender's settings ask why.</summary>
    public bool LeavesRegion { get; init; }

    /// <summary>A village clinic sends past its township, and the settings do not let it.</summary>
    public bool OverTheTownship { get; init; }

    /// <summary>What the rules of the alliance say today about the slip as it is now.</summary>
    public RuleCheck Rules { get; init; } = RuleCheck.Nothing;

    /// <summary>The slip's reason to go although a rule warns.</summary>
    public RuleOverride? Override { get; init; }

    /// <summary>The ranking the target was chosen from, with the place of the chosen one.</summary>
    public MatchChoice? Match { get; init; }

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

    /// <summary>Flag of what leaves region and alliance (外转).</summary>
    public const string OutOfRegion = "OUT_OF_REGION";
    /// <summary>Flag of what skips a level with a reason.</summary>
    public const string LevelSkipReasoned = "LEVEL_SKIP_REASONED";
    /// <summary>Flag of a draft that the patient asked for.</summary>
    public const string RequestedByPatient = "REQUESTED_BY_PATIENT";

    public static Problem? Ask(Referral r, Move<SubmitReferral> move)
    {
        // the village wrote it, the township's doctor answers for it
        if (r.Origin is not null)
            r.SenderClinician = move.Actor.OnBehalfOf ?? move.Actor.Subject;
        var command = move.Command;
        if (command.ConfirmDuplicate && !r.Flags.Contains("DUPLICATE_CONFIRMED"))
            r.Flags = [.. r.Flags, "DUPLICATE_CONFIRMED"];
        return Leave(r, move, command.Override is null ? command.Facts : command.Facts with { Override = command.Override });
    }

    /// <summary>Sets the flag of what leaves region and alliance, or takes it away: it speaks of the live leg.</summary>
    public static void MarkRegion(Referral r, AllianceSnapshot alliance, DateOnly day) =>
        r.Flags = [.. r.Flags.Where(f => f != OutOfRegion), .. r.IsUp && alliance.LeavesRegion(r.Sender, r.Receiver, day) ? [OutOfRegion] : Array.Empty<string>()];

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
        if (facts.LevelSkipped && !r.IsEmergency && !r.Flags.Contains(LevelSkipReasoned))
            return Refusals.Rule("/levelSkipReason", "A referral goes up one level at a time; give a reason to skip one.", "转诊应逐级进行；越级转诊须填写理由。");
        if (facts.OverTheTownship && !r.IsEmergency)
            return Refusals.Rule("/to/institution", "A village clinic refers to its township, whose doctor refers on.", "村卫生室应转至所属乡镇卫生院，由其医生继续上转。");
        if (facts.LeavesRegion && !r.IsEmergency && !r.Flags.Contains("OUT_OF_REGION_REASONED"))
            return Refusals.Rule("/leaveRegionReason", "It leaves the region and the alliance; say why.", "转出本区域和医联体须填写理由。");
        if (MayNotGive(r, move, facts) is { } notTheirs)
            return notTheirs;
        if (RuleOverride.Pass(r, move, facts.Rules, facts.Override) is { } warned)
            return warned;
        if (facts.NeedsReview && !facts.Reviewed && !r.IsEmergency)
            return Refusals.ReviewNeeded;
        if (facts.Match is { } match)
            (move.Detail ??= []).Add("match", new JsonObject
            {
                ["rank"] = match.Rank, ["of"] = match.Of, ["first"] = match.First, ["reason"] = match.Reason,
            });
        Start(r, move.Now);
        return null;
    }

    // that the codes are of their lists, and explained where they must be, was looked at when the slip was written
    private static Problem? MayNotGive(Referral r, Move move, SubmissionFacts facts)
    {
        var (list, day) = (r.IsUp ? "UpPurpose" : "DownPurpose", ChinaTime.DayOf(move.Now));
        for (var i = 0; i < r.Purposes.Length; i++)
            if (move.Alliance.Reason(list, r.Purposes[i], day)?.MayBeGivenBy(move.Actor) != true)
                return Refusals.Rule($"/purposes/{i}", $"Your side or role may not give this purpose of the list {list} today.", $"您所在一方或角色目前不能使用 {list} 中的该目的。");
        return facts.Match is { Reason: { } reason } && move.Alliance.Reason(MatchOffers.List, reason, day)?.MayBeGivenBy(move.Actor) != true
            ? Refusals.Rule("/match/reason", $"Your side or role may not give this reason of the list {MatchOffers.List} today.", $"您所在一方或角色目前不能使用 {MatchOffers.List} 中的该理由。") : null;
    }

    private static Problem? Complete(Referral r)
    {
        // what a patient asks for is a wish; the slip is the doctor's
        if (r.Flags.Contains(RequestedByPatient) && r.SlipVersion == 1)
            return Refusals.Rule("/impression", "The patient asked for it: amend it first, the slip is the doctor's.", "患者自助申请须由医生补充完善后提交。");
        // a draft from before that was refused
        if (r.Channel == Channel.RETRO_ENTRY)
            return Refusals.OnlyOnceArrived;
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
