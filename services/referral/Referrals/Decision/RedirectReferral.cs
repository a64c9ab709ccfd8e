using Referrals.Contracts;
using ReferralService.Referrals.Ending;
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

    public void Check(Checks checks)
    {
        checks.Text(Institution, "/institution", 100);
        checks.Text(Department, "/department", 16, required: false);
        checks.Text(Clinician, "/clinician", 64, required: false);
        Reasons.Check(checks, Reason, Text);
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
        if (move.Give("Redirect", command.Reason, command.Text) is { } unknown)
            return unknown;
        if (command.Department is { } department && !move.Alliance.HasDepartment(target.Code, department))
            return Refusals.Rule("/department", "The receiver has no such department.", "接收机构没有该科室。");

        move.Extras.PreviousReceiver = r.Receiver;
        r.Receiver = target.Code;
        r.Department = command.Department ?? (move.Alliance.HasDepartment(target.Code, r.Department) ? r.Department : null);
        r.Clinician = command.Clinician;
        r.ReceiverOwnNo = null;
        r.Leg++;
        r.Tried = [.. r.Tried, target.Code];
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
}
