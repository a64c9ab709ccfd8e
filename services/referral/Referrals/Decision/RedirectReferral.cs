using ReferralService.Alliances;
using ReferralService.Alliances.Formulary;
using ReferralService.Referrals.Ending;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Decision;

/// <summary>The live leg ends and the next one begins at another institution, under the same number.</summary>
/// <param name="Institution">Code or exact name of the next target.</param>
/// <param name="PatientAgrees">The patient was asked and agrees; an emergency does not wait for it.</param>
internal sealed record RedirectReferral(
    string? Institution, string? Department, string? Clinician, string? Reason, string? Text, bool? PatientAgrees) : ICommand
{
    /// <summary>Legs of one referral that is no emergency.</summary>
    public const int MostLegs = 3;

    [System.Text.Json.Serialization.JsonIgnore]
    public bool StandingAgreement { get; init; }

    /// <summary>Why it goes there although a rule warns.</summary>
    public RuleOverride? Override { get; init; }

    /// <summary>The next target has no account here: the sender records its answers.</summary>
    public bool External { get; init; }

    /// <summary>What the rules say of the slip and the next target.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public RuleCheck Rules { get; init; } = RuleCheck.Nothing;

    /// <summary>The next target lacks something of the prescription that goes with the patient.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool DrugGap { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Institution, "/institution", 100);
        checks.Text(Department, "/department", 16, required: false);
        checks.Text(Clinician, "/clinician", 64, required: false);
        Reasons.Check(checks, Reason, Text);
        Override?.Check(checks, "/override");
    }

    public static Problem? NextLeg(Referral r, Move<RedirectReferral> move)
    {
        var command = move.Command;
        if (move.Alliance.Find(command.Institution!) is not { } target)
            return Refusals.Rule("/institution", "No such institution.", "未找到该机构。");
        if (target.Code == r.Sender)
            return Refusals.Rule("/institution", "The sender cannot be the target.", "转出机构不能作为接收机构。");
        if (target.Synthetic != r.Synthetic)
            return Refusals.Rule("/institution", "Sandbox and real institutions do not mix.", "测试机构与真实机构不能互转。");
        if (r.Tried.Contains(target.Code))
            return Refusals.TriedBefore;
        if (r.Leg >= MostLegs && !r.IsEmergency)
            return Refusals.Rule("/institution", "Three institutions have had it: cancel it and write a new one.", "已转过三家机构，请取消后重新开具。");
        if (!r.IsEmergency && command.PatientAgrees != true)
            return Refusals.Rule("/patientAgrees", "The patient must agree to another hospital.", "改转须经患者同意。");
        if (command.Department is { } department && !command.External && !move.Alliance.HasDepartment(target.Code, department))
            return Refusals.Rule("/department", "The receiver has no such department.", "接收机构没有该科室。");
        if (AroundARule(r, move, target) is { } rule)
            return rule;
        if (RuleOverride.Pass(r, move, command.Rules, command.Override, onward: true) is { } warned)
            return warned;
        // the row's reason is why it is sent on; why a warning was passed over stands in the detail
        var overridden = move.Words;
        if (move.Give("Redirect", command.Reason, command.Text) is { } unknown)
            return unknown;
        move.Words ??= overridden;

        move.Extras.PreviousReceiver = r.Receiver;
        r.Receiver = target.Code;
        r.External = command.External;
        r.Department = command.Department ?? (move.Alliance.HasDepartment(target.Code, r.Department) ? r.Department : null);
        Sensitivity.Mark(r);
        r.Clinician = command.Clinician;
        r.ReceiverOwnNo = null;
        r.Leg++;
        r.Tried = [.. r.Tried, target.Code];
        Intake.SubmitReferral.MarkRegion(r, move.Alliance, ChinaTime.DayOf(move.Now));
        r.Flags = [.. r.Flags.Where(f => f != DrugGaps.Flag), .. command.DrugGap ? [DrugGaps.Flag] : Array.Empty<string>()];
        r.LegSubmittedAt = move.Now;
        r.TriagePaused = TimeSpan.Zero;
        // an emergency is on its way: what was accepted stays so, and the new receiver's alarm runs until it answers
        r.AcceptedAt = r.IsEmergency ? r.AcceptedAt : null;
        r.DispatchedAt = r.IsEmergency ? r.DispatchedAt ?? move.Now : null;
        r.StandingAgreement = command.StandingAgreement;
        r.AcknowledgedAt = null;
        r.ScheduledAt = null;
        Triage.ClaimReferral.LetGo(r);
        Ends.LetBookingGo(r);
        return null;
    }

    // a second leg is held to what the first was held to: one level up, the township, and the lead hospital before the region is left
    private static Problem? AroundARule(Referral r, Move<RedirectReferral> move, Institution target)
    {
        var (command, day) = (move.Command, ChinaTime.DayOf(move.Now));
        if (command.External && move.Alliance.ShareAnAlliance(r.Sender, target.Code, day))
            return Refusals.Rule("/external", "It is in your alliance and answers for itself.", "该机构与转出机构同属一个医联体，由其自行答复。");
        if (!r.IsUp)
            return AllianceSnapshot.Tier(target) > move.Alliance.StepOf(r.Sender)
                ? Refusals.Rule("/institution", "Downward never goes to a higher level.", "下转不能转往更高级别的机构。") : null;
        if (!r.IsEmergency)
        {
            if (move.Actor.Institution == r.Sender && move.Alliance.PassesItsTownship(r.Sender, target.Code, move.Now))
                return Refusals.Rule("/institution", "A village clinic refers to its township, whose doctor refers on.", "村卫生室应转至所属乡镇卫生院，由其医生继续上转。");
            var skips = move.Alliance.SkipsALevel(r.Sender, target.Code, day);
            if (skips && command.Reason != "HIGHER_LEVEL_NEEDED" && string.IsNullOrWhiteSpace(command.Text))
                return Refusals.Rule("/text", "It skips a level: say why, or choose HIGHER_LEVEL_NEEDED.", "越级改转须说明理由，或选择 HIGHER_LEVEL_NEEDED。");
            if (move.Alliance.LeadSigns(r.Sender, target.Code, move.Now)
                && !move.Actor.Sides.HasFlag(Side.Alliance) && move.Actor.Institution != move.Alliance.LeadFor(r.Sender, day))
                return Refusals.Rule("/institution", "It leaves the region: the lead hospital or the alliance office redirects it.", "改转至区域外须由牵头医院或医联体办公室办理。");
            if (skips)
                r.Flags = [.. r.Flags.Union([Intake.SubmitReferral.LevelSkipReasoned])];
        }
        return null;
    }
}
