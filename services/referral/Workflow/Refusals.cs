using ReferralService.Referrals;
using ServiceDefaults.Http;

namespace ReferralService.Workflow;

/// <summary>The refusals of the referral service, beside the shared ones.</summary>
internal static class Refusals
{
    public static readonly ProblemType NotInThisState = new("not-in-this-state", 409,
        new("The referral is not in a state that allows this", "当前状态不允许此操作"),
        new("'state' says where it stands and 'availableActions' what you can do now.", "state 为当前状态，availableActions 为您现在可执行的操作。"));
    public static readonly ProblemType UpOnly = new("only-upward", 409,
        new("Only an upward referral knows this move", "仅上转单可执行此操作"),
        new("'availableActions' lists what you can do now.", "availableActions 列出您现在可执行的操作。"));
    public static readonly ProblemType DownOnly = new("only-downward", 409,
        new("Only a downward referral knows this move", "仅下转单可执行此操作"),
        new("'availableActions' lists what you can do now.", "availableActions 列出您现在可执行的操作。"));
    public static readonly ProblemType NeverForEmergencies = new("never-for-emergencies", 409,
        new("An emergency is never refused, reviewed or missed", "急诊转诊不可拒绝、审核或标记爽约"),
        new("Redirect it or receive the patient.", "请改转其他机构或接收患者。"));
    public static readonly ProblemType EmergenciesOnly = new("only-emergencies", 409,
        new("Only an emergency knows this move", "仅急诊转诊可执行此操作"),
        new("'availableActions' lists what you can do now.", "availableActions 列出您现在可执行的操作。"));
    public static readonly ProblemType NotThisKind = new("not-this-kind", 409,
        new("This kind of referral does not know this move", "此类转诊不支持该操作"),
        new("'availableActions' lists what you can do now.", "availableActions 列出您现在可执行的操作。"));
    public static readonly ProblemType ReturnUnderWay = new("return-under-way", 409,
        new("A downward referral of this patient is under way", "该患者已有进行中的下转单"),
        new("Wait until it ends, or cancel it, then return the patient again.", "请等待其结束或取消后再次下转。"));
    public static readonly ProblemType ReferredAgain = new("referred-again", 409,
        new("The patient has been referred again already", "该患者已重新转诊"),
        new("Go on with the referral that 'linkedNo' names.", "请在 linkedNo 所示的转诊单中继续。"));
    public static readonly ProblemType PatientKnown = new("patient-known", 409,
        new("The patient is known already", "患者身份已确认"),
        new("Mend a mistake with an addendum.", "如有错误请使用 addendum 补充说明。"));
    public static readonly ProblemType RuleBroken = new("rule-broken", 422,
        new("A rule of the alliance stands against it", "违反医联体规则"),
        new("'errors' names the rule's member and says what to do.", "请按 errors 中的提示处理。"));
    public static readonly ProblemType Duplicate = new("duplicate-referral", 422,
        new("An open referral for the same illness exists", "该患者同一病种已有未结转诊单"),
        new("Look at 'openReferral'; to refer all the same, send confirmDuplicate: true.", "请查看 openReferral；如确需再次转诊，请提交 confirmDuplicate: true。"));
    public static readonly ProblemType RuleWarning = new("rule-warning", 422,
        new("The alliance's rules warn against this referral", "转诊规则提示"),
        new("'warnings' says why; to refer all the same, send override with a reason.", "原因见 warnings；确需转诊请在 override 中填写理由。"));
    public static readonly ProblemType ReviewNeeded = new("review-needed", 409,
        new("This referral must be signed before it leaves", "该转诊单须先审核"),
        new("Use send-for-review.", "请使用 send-for-review。"));
    public static readonly ProblemType TriedBefore = new("target-already-tried", 422,
        new("This institution has had the referral before", "该机构已接收过此转诊单"),
        new("Choose a target it has not been to.", "请选择尚未转过的机构。"));
    public static readonly ProblemType WrongCode = new("wrong-appointment-code", 422,
        new("The appointment code does not fit", "预约码不正确"),
        new("Check the code, or register the patient by identity with 'identifiedBy'.", "请核对预约码，或通过 identifiedBy 以身份核验登记。"));

    public static readonly ProblemType RecognisedResultOnFile = new("recognised-result-on-file", 422,
        new("A recognised result of this examination is on file", "该检查已有互认结果"),
        new("Use the result under 'onFile', or say in repeatReason why it was done again.", "请采用 onFile 中的结果，或在 repeatReason 中说明重复检查的理由。"));
    public static readonly ProblemType Infected = new("attachment-infected", 410,
        new("The file was found infected", "文件含有恶意内容"),
        new("It is not handed out; ask the sender for a clean one.", "该文件不予提供，请联系上传方重新提供。"));
    public static readonly ProblemType NotScannedYet = new("attachment-not-scanned", 409,
        new("The file is being scanned", "文件正在查毒"),
        new("Wait for Retry-After seconds.", "请在 Retry-After 秒后重试。"));

    public static readonly ProblemType Erased = new("erased", 410,
        new("The patient's data was erased", "患者数据已删除"),
        new("Workflow and history remain; slip and identity are gone for good.", "仅保留流程与历史，表单与身份信息已永久删除。"));

    public static readonly ProblemType NothingToOpen = new("nothing-to-open", 409,
        new("You see this referral, or can reveal it", "您已可查看该转诊单，或可使用 reveal"),
        new("Read it, or use reveal with a purpose; the glass is for others.", "请直接查看，或使用 reveal 并说明用途；break-glass 仅供他人使用。"));
    public static readonly ProblemType JudgedBefore = new("judged-before", 409,
        new("This opening was judged before", "该次调阅已有结论"),
        new("The first judgement stands; it is shown in the report.", "以首次结论为准，见报告。"));
    public static readonly ProblemType MustBeKept = new("must-be-kept", 422,
        new("The patient's data must still be kept", "患者数据依法仍须保存"),
        new("'errors' says why and until when; restrict it instead.", "原因及期限见 errors；可改为限制处理。"));

    public static readonly ProblemType NoCertificate = new("no-certificate", 409,
        new("Nobody has accepted this referral yet", "该转诊尚未被接收"),
        new("A certificate stands from the acceptance on; a reading or an advice has none.", "接收后方可出具转诊凭证；阅片与咨询类不出具。"));

    public static readonly IReadOnlyList<ProblemType> All =
    [
        NotInThisState, UpOnly, DownOnly, NeverForEmergencies, EmergenciesOnly, NotThisKind, ReturnUnderWay, ReferredAgain, PatientKnown,
        RuleBroken, RuleWarning, Duplicate, ReviewNeeded, TriedBefore, WrongCode, RecognisedResultOnFile,
        Infected, NotScannedYet, Erased, NothingToOpen, JudgedBefore, MustBeKept, NoCertificate, .. Alliances.DirectoryProblems.All, .. Clients.ClientProblems.All,
    ];

    /// <summary>RETRO_ENTRY on a referral whose patient is still to come: nobody would be told of it.</summary>
    public static Problem OnlyOnceArrived => Rule("/channel", "RETRO_ENTRY is for the receiver whose patient is already here: arrived=true.", "RETRO_ENTRY 仅用于接收机构补录已到诊的患者（arrived=true）。");

    /// <summary>A rule with the member that breaks it.</summary>
    public static Problem Rule(string pointer, string en, string zh) =>
        new(RuleBroken) { Errors = [new(pointer, new(en, zh))] };
}
