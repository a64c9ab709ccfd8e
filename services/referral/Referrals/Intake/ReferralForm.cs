using Referrals.Contracts;
using ReferralService.Patients;
using ReferralService.Matching;
using ReferralService.Referrals.Annotations;
using ReferralService.Referrals.Journey;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Intake;

/// <summary>
/// The national slips as input: 双向转诊(转出)单 upward, 双向转诊(回转)单 downward. The paper's own fields suffice;
/// everything else has a default. Without <see cref="Kind"/> a form with <see cref="DiagnosisResult"/> is a return,
/// any other an outpatient transfer.
/// </summary>
internal sealed record ReferralForm
{
    public ReferralKind? Kind { get; init; }
    public Priority? Priority { get; init; }
    public GreenChannel? GreenChannel { get; init; }
    /// <summary>RETRO_ENTRY (补录) only with arrived=true, which sets it.</summary>
    public Channel? Channel { get; init; }
    /// <summary>Codes of the list UpPurpose or DownPurpose.</summary>
    public string[]? Purposes { get; init; }
    /// <summary>The purpose in words, where its code demands them.</summary>
    public string? PurposeText { get; init; }

    /// <summary>Who is referred; taken from the parent in a linked referral.</summary>
    public PatientForm? Patient { get; init; }
    /// <summary>Where to (转入单位 / 科室 / 接诊医生).</summary>
    public TargetForm? To { get; init; }
    public ReferrerForm? Referrer { get; init; }
    /// <summary>Day of the paper slip; where it is typed in afterwards, the day the sender asked.</summary>
    public DateOnly? Date { get; init; }

    /// <summary>初步印象</summary>
    public string? Impression { get; init; }
    /// <summary>主要现病史(转出原因)</summary>
    public string? PresentIllness { get; init; }
    /// <summary>主要既往史</summary>
    public string? PastHistory { get; init; }
    /// <summary>治疗经过</summary>
    public string? TreatmentSoFar { get; init; }

    /// <summary>诊断结果</summary>
    public string? DiagnosisResult { get; init; }
    /// <summary>住院病案号</summary>
    public string? InpatientNo { get; init; }
    /// <summary>主要检查结果</summary>
    public string? MainResults { get; init; }
    /// <summary>治疗经过</summary>
    public string? TreatmentCourse { get; init; }
    /// <summary>下一步治疗方案</summary>
    public string? NextPlan { get; init; }
    /// <summary>康复建议</summary>
    public string? RehabAdvice { get; init; }

    public PatientClass? PatientClass { get; init; }
    /// <summary>When the patient comes; downward the next morning when absent.</summary>
    public DateTimeOffset? ExpectedArrival { get; init; }
    /// <summary>When the patient came, where the referral is typed in afterwards (补录); now when absent.</summary>
    public DateTimeOffset? ArrivedAt { get; init; }
    public PlanForm? Plan { get; init; }
    /// <summary>Medicines of the hospital that the primary level goes on with, for at most 31 days each (延伸处方、长期处方).</summary>
    public IReadOnlyList<PrescribedDrug>? ExtendedPrescription { get; init; }
    public DiagnosisForm? Diagnosis { get; init; }
    /// <summary>Criteria of the rule packs that the doctor ticked (转诊指征).</summary>
    public string[]? Indications { get; init; }
    /// <summary>Measured values the rules know by name, e.g. <c>systolic</c>.</summary>
    public Dictionary<string, decimal>? Measures { get; init; }
    /// <summary>Since when there is an indication.</summary>
    public DateOnly? IndicatedSince { get; init; }
    /// <summary>Why it goes although a rule warns.</summary>
    public RuleOverride? Override { get; init; }
    /// <summary>The ranking the target was chosen from.</summary>
    public MatchChoice? Match { get; init; }
    /// <summary>What is known of an emergency's times.</summary>
    public EmergencyTimes? Times { get; init; }
    /// <summary>How the patient agreed; the doctor's signature on the slip stands for it when absent.</summary>
    public ConsentGiven? Consent { get; init; }
    /// <summary>The sender's own number for the case.</summary>
    public string? SenderOwnNo { get; init; }
    /// <summary>Why a level is skipped, where one is.</summary>
    public string? LevelSkipReason { get; init; }
    /// <summary>Why the patient leaves region and alliance, where that is so (外转理由).</summary>
    public string? LeaveRegionReason { get; init; }
    /// <summary>An open referral for the same illness is known and meant.</summary>
    public bool ConfirmDuplicate { get; init; }
    /// <summary>The target has no account here: the sender records its answers.</summary>
    public bool External { get; init; }

    public ReferralKind KindOrDefault() =>
        Kind ?? (DiagnosisResult is not null ? ReferralKind.RehabReturn : ReferralKind.OutpatientTransfer);

    public bool IsDown => KindOrDefault() == ReferralKind.RehabReturn;
    public bool IsEmergency => Priority == global::Referrals.Contracts.Priority.Emergency;

    /// <param name="linked">Patient and target may come from the parent.</param>
    public void Check(Checks checks, string at = "", bool linked = false)
    {
        if (!linked)
            checks.Required(Patient, at + "/patient");
        Patient?.Check(checks, at + "/patient", identityNeeded: !IsEmergency);
        // without a target the contract, the grid of residence or the institution above decides
        checks.Text(To?.Institution, at + "/to/institution", 100, required: false);
        checks.Text(To?.Department, at + "/to/department", 16, required: false);
        checks.Text(To?.Doctor, at + "/to/doctor", 64, required: false);
        checks.Text(Referrer?.Doctor, at + "/referrer/doctor", 64);
        checks.Text(Referrer?.Phone, at + "/referrer/phone", 40, required: false);
        checks.Text(Referrer?.Institution, at + "/referrer/institution", 100, required: false);

        checks.Text(Impression, at + "/impression", 2000, required: !IsDown);
        checks.Text(PresentIllness, at + "/presentIllness", 20_000, required: !IsDown);
        checks.Text(PastHistory, at + "/pastHistory", 20_000, required: false);
        checks.Text(TreatmentSoFar, at + "/treatmentSoFar", 20_000, required: false);
        checks.Text(DiagnosisResult, at + "/diagnosisResult", 2000, required: IsDown);
        checks.Text(InpatientNo, at + "/inpatientNo", 64, required: false);
        checks.Text(MainResults, at + "/mainResults", 20_000, required: false);
        checks.Text(TreatmentCourse, at + "/treatmentCourse", 20_000, required: false);
        checks.Text(NextPlan, at + "/nextPlan", 20_000, required: IsDown);
        checks.Text(RehabAdvice, at + "/rehabAdvice", 20_000, required: false);

        // it is on its way at once: a reading and an advice send nobody
        checks.That(!IsEmergency || !IsDown && RecordArrival.Comes(KindOrDefault()),
            at + "/priority", "Only what brings the patient upward can be an emergency.", "仅患者本人上转的转诊可为急诊。");
        checks.That(GreenChannel is null || IsEmergency, at + "/greenChannel", "A green channel belongs to an emergency.", "绿色通道仅用于急诊。");
        checks.That(PatientClass is null || IsDown, at + "/patientClass", "Only a downward referral has one.", "仅用于下转单。");
        checks.That(Purposes is null || Purposes.Length <= 10, at + "/purposes", "At most 10.", "最多 10 项。");
        checks.Text(PurposeText, at + "/purposeText", 500, required: false);
        checks.Day(Date, at + "/date");
        checks.Time(ExpectedArrival, at + "/expectedArrival");
        checks.Time(ArrivedAt, at + "/arrivedAt");
        checks.Time(Consent?.At, at + "/consent/at");
        checks.Text(SenderOwnNo, at + "/senderOwnNo", 64, required: false);
        checks.Text(LevelSkipReason, at + "/levelSkipReason", 500, required: false);
        checks.Text(LeaveRegionReason, at + "/leaveRegionReason", 500, required: false);
        Diagnosis?.Check(checks, at + "/diagnosis");
        EvaluateRules.Ticked(checks, Indications, Measures, at);
        checks.Day(IndicatedSince, at + "/indicatedSince");
        Override?.Check(checks, at + "/override");
        Times?.Check(checks, at + "/times");
        checks.That(Times is null || IsEmergency, at + "/times", "Only an emergency has them.", "仅急诊转诊填写。");
        Match?.Check(checks, at + "/match");
        Plan?.Check(checks, at + "/plan");
        checks.That(ExtendedPrescription is null || IsDown, at + "/extendedPrescription", "Only a downward referral has one.", "仅用于下转单。");
        checks.That(ExtendedPrescription is not { Count: > 40 }, at + "/extendedPrescription", "At most 40 medicines.", "最多 40 种药品。");
        for (var i = 0; i < Math.Min(40, ExtendedPrescription?.Count ?? 0); i++)
            if (ExtendedPrescription![i] is { } drug)
                drug.Check(checks, $"{at}/extendedPrescription/{i}");
            else
                checks.Required((string?)null, $"{at}/extendedPrescription/{i}");
        if (Consent is not null)
            checks.Required(Consent.Form, at + "/consent/form");
    }
}

/// <summary>The patient's part of the slip.</summary>
internal sealed record PatientForm
{
    public string? Name { get; init; }
    /// <summary>GB/T 2261.1: 0 unknown, 1 male, 2 female, 9 not stated.</summary>
    public string? Sex { get; init; }
    public DateOnly? BirthDate { get; init; }
    public int? Age { get; init; }
    /// <summary>档案编号</summary>
    public string? ArchiveNo { get; init; }
    /// <summary>病案号</summary>
    public string? MedicalRecordNo { get; init; }
    public string? Address { get; init; }
    public string? Phone { get; init; }
    /// <summary>Where notices go when there is no number for text messages.</summary>
    public string? Email { get; init; }
    /// <summary>Of notices: zh or en; absent: that of the installation.</summary>
    public string? Language { get; init; }
    public IdType? IdType { get; init; }
    public string? IdNo { get; init; }
    /// <summary>Code of the grid of residence (居住网格), where it is known.</summary>
    public string? Grid { get; init; }

    /// <param name="identityNeeded">False for an emergency: who it is may be found out later.</param>
    public void Check(Checks checks, string at, bool identityNeeded)
    {
        checks.Text(Name, at + "/name", 100, required: identityNeeded);
        checks.That(Sex is null or "0" or "1" or "2" or "9", at + "/sex", "0, 1, 2 or 9 (GB/T 2261.1).", "应为 0、1、2 或 9（GB/T 2261.1）。");
        if (identityNeeded)
        {
            checks.Required(Sex, at + "/sex");
            checks.That(BirthDate is not null || Age is not null, at + "/birthDate", "Birth date or age is needed.", "出生日期或年龄必填其一。");
        }
        checks.That(Age is null or (>= 0 and <= 130), at + "/age", "0 to 130.", "应为 0 至 130。");
        checks.That(BirthDate is null || BirthDate.Value.Year >= 1880 && BirthDate.Value <= DateOnly.FromDateTime(DateTime.UtcNow.AddDays(1)),
            at + "/birthDate", "Not a possible birth date.", "出生日期不合理。");
        checks.Text(ArchiveNo, at + "/archiveNo", 40, required: false);
        checks.Text(MedicalRecordNo, at + "/medicalRecordNo", 64, required: false);
        checks.Text(Address, at + "/address", 200, required: false);
        checks.Text(Phone, at + "/phone", 40, required: false);
        checks.That(Email is null || EmailAddress.IsOne(Email), at + "/email", "One e-mail address, e.g. name@example.org.", "应为一个电子邮箱地址，例如 name@example.org。");
        checks.That(Language is null or "zh" or "en", at + "/language", "zh or en.", "应为 zh 或 en。");
        checks.Text(IdNo, at + "/idNo", 40, required: false);
        checks.Text(Grid, at + "/grid", 40, required: false);
        if (IdNo is null || (IdType ?? Patients.IdType.ResidentId) != Patients.IdType.ResidentId)
            return;
        if (CheckDigits.ResidentId(IdNo.Trim()) is not { } known)
        {
            checks.Add(at + "/idNo", "Not a valid resident identity number: length, date or check character is wrong (GB 11643).", "居民身份证号不正确：长度、日期或校验码有误（GB 11643）。");
            return;
        }
        checks.That(BirthDate is null || BirthDate == known.BirthDate, at + "/birthDate", "Does not fit the identity number.", "与身份证号不符。");
        checks.That(Sex is null or "0" or "9" || Sex == known.Sex, at + "/sex", "Does not fit the identity number.", "与身份证号不符。");
    }
}

internal sealed record TargetForm(string? Institution, string? Department, string? Doctor);

internal sealed record ReferrerForm(string? Doctor, string? Phone, string? Institution);

internal sealed record ConsentGiven(ConsentForm? Form, DateTimeOffset? At);

/// <summary>A coded diagnosis; any coding system is taken as it is.</summary>
internal sealed record DiagnosisForm(string? System, string? Version, string? Code, string? Text)
{
    public void Check(Checks checks, string at)
    {
        checks.Text(System, at + "/system", 200, required: false);
        checks.Text(Version, at + "/version", 40, required: false);
        checks.Text(Code, at + "/code", 64);
        // the code stands readable in the row: words belong into the text, which is sealed; ICD-10 marks pairs with † and *
        checks.That(Code is null || Code.All(c => c is > ' ' and <= '~' or '†'), at + "/code", "Letters, digits and signs of a code; words belong into text.", "仅限编码字符；文字说明请填写 text。");
        checks.Text(Text, at + "/text", 500, required: false);
        checks.That(Code is null || Code.Length >= 3, at + "/code", "At least three characters.", "至少 3 个字符。");
    }
}
