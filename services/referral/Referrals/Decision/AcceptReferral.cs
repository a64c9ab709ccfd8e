using Referrals.Contracts;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Journey;
using ReferralService.Referrals.Treatment;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Decision;

/// <summary>The receiver takes the patient over; scheduling books what the kind needs.</summary>
/// <param name="Department">Department that takes over (诊疗科目); the slip's when absent.</param>
/// <param name="Clinician">Doctor who takes over; the slip's when absent.</param>
/// <param name="ReceiverOwnNo">The hospital's own number, kept beside ours and searchable.</param>
internal sealed record AcceptReferral(string? Department, string? Clinician, string? ReceiverOwnNo) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Text(Department, "/department", 16, required: false);
        checks.Text(Clinician, "/clinician", 64, required: false);
        checks.Text(ReceiverOwnNo, "/receiverOwnNo", 64, required: false);
    }

    /// <summary>
    /// Not an Advice: it ends with advice or becomes a transfer, both before an acceptance, and books, receives and treats
    /// nobody. Once accepted it could only be given back.
    /// </summary>
    public static bool TakesOver(Referral r) => r.Kind != ReferralKind.Advice;

    public static Problem? TakeOver(Referral r, Move<AcceptReferral> move)
    {
        var department = move.Command.Department ?? r.Department;
        if (department is null)
            return Refusals.Rule("/department", "Say which department takes over.", "请填写接收科室。");
        if (!r.External && !move.Alliance.HasDepartment(r.Receiver, department))
            return Refusals.Rule("/department", "The receiver has no such department.", "接收机构没有该科室。");
        if (!r.External && move.Command.Clinician is { } doctor && !move.Alliance.WorksAt(doctor, r.Receiver))
            return Refusals.Rule("/clinician", "This clinician is not known at the receiver.", "接收机构没有该医生。");
        r.Department = department;
        Sensitivity.Mark(r);
        r.Clinician = move.Command.Clinician ?? r.Clinician ?? r.ClaimedBy;
        r.ReceiverOwnNo = move.Command.ReceiverOwnNo ?? r.ReceiverOwnNo;
        Accepted(r, move);
        return null;
    }

    /// <summary>A standing agreement accepted it before it was asked.</summary>
    public static void InAdvance(Referral r, Move move) => Accepted(r, move);

    /// <summary>Whoever stands at the desk is taken over: the patient came without an answer.</summary>
    public static void ByArrival(Referral r, Move<RecordArrival> move)
    {
        r.Department = move.Command.Department ?? r.Department;
        Sensitivity.Mark(r);
        Accepted(r, move);
    }

    // the parent of a linked referral hears of it in the same transaction
    private static void Accepted(Referral r, Move move)
    {
        r.AcceptedAt ??= move.Now;
        Triage.ClaimReferral.LetGo(r);
        if (r.ParentId is not { } parent)
            return;
        switch (r.Relation)
        {
            case Relation.Return:
                move.Causes(parent, m => m.ReturnAccepted, new ReturnProgress(r.Id, r.ReferralNo));
                break;
            case Relation.Onward:
                move.Causes(parent, m => m.OnwardAccepted, new LinkedAccepted(r.Id, r.ReferralNo));
                break;
            case Relation.ReReferral when !r.Flags.Contains(ReferFurther.PlannedCheckFlag):
                move.Causes(parent, m => m.ReReferralAccepted, new LinkedAccepted(r.Id, r.ReferralNo));
                break;
        }
    }
}
