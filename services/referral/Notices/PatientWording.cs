using Referrals.Contracts;
using ServiceDefaults.Http;

namespace ReferralService.Notices;

/// <summary>Each state in words that a patient, or whoever looks over the patient's shoulder, may read: no illness, no department, no name.</summary>
internal static class PatientWording
{
    /// <summary>Null for a state of a later version.</summary>
    public static Text? Of(string state) => Enum.TryParse<ReferralState>(state, out var known) && Enum.IsDefined(known) ? Of(known) : null;

    public static Text Of(ReferralState state) => state switch
    {
        ReferralState.Draft => new("Your clinic is preparing the referral.", "转诊申请正在准备中。"),
        ReferralState.InternalReview => new("The referral is being checked before it is sent.", "转诊申请正在提交前审核。"),
        ReferralState.Submitted => new("The referral was sent and waits for an answer.", "转诊申请已提交，等待接收机构答复。"),
        ReferralState.InTriage => new("The receiving institution is looking at the referral.", "接收机构正在查看转诊申请。"),
        ReferralState.InformationRequested => new("The receiving institution has asked your clinic a question.", "接收机构已请转出医疗机构补充资料。"),
        ReferralState.Accepted => new("The referral was accepted; a time is arranged where one is needed.", "转诊已被接收，如需预约正在安排。"),
        ReferralState.Waitlisted => new("The referral was accepted; there is a waiting list.", "转诊已被接收，目前需要排队等候。"),
        ReferralState.Scheduled => new("There is an appointment.", "已预约。"),
        ReferralState.NoShow => new("The appointment was missed. If it is still needed, please contact your clinic.", "未按预约时间到达。如仍需就诊，请联系转出医疗机构。"),
        ReferralState.InTransit => new("On the way to the receiving institution.", "正在前往接收机构。"),
        ReferralState.Arrived => new("Arrived at the receiving institution.", "已到达接收机构。"),
        ReferralState.InTreatment => new("In the care of the receiving institution.", "接收机构正在为您诊疗。"),
        ReferralState.Treated => new("The care there is finished; what comes next is being arranged.", "在接收机构的诊疗已结束，正在安排后续事宜。"),
        ReferralState.FollowUp => new("Follow-up visits are under way.", "正在随访。"),
        ReferralState.CancellationRequested => new("Your clinic has asked to cancel. Until there is an answer everything stands as arranged.", "转出医疗机构已申请取消，答复前原安排仍然有效。"),
        ReferralState.Completed => new("The referral is complete.", "转诊已完成。"),
        ReferralState.Advised => new("The receiving institution has given your clinic advice. Please contact your clinic.", "接收机构已向转出医疗机构提供意见，请联系转出医疗机构。"),
        ReferralState.Declined => new("The referral could not be taken. Please contact your clinic, which will arrange something else.", "转诊未能被接收，请联系转出医疗机构另作安排。"),
        ReferralState.Cancelled => new("The referral was cancelled.", "转诊已取消。"),
        ReferralState.Expired => new("The referral was not answered in time. Please contact your clinic, which will arrange something else.", "转诊未能及时得到答复，请联系转出医疗机构另作安排。"),
        ReferralState.Closed => new("The referral has ended.", "转诊已结束。"),
    };
}
