using Referrals.Contracts;

namespace ReferralService.Referrals;

/// <summary>What gives an illness away beside its code; where a referral goes can make it sensitive and never takes that away.</summary>
internal static class Sensitivity
{
    /// <summary>Psychiatry, infectious diseases, tuberculosis, hospice care (诊疗科目 15, 16, 17, 24): the first two digits.</summary>
    public static readonly string[] Telling = ["15", "16", "17", "24"];

    public static bool IsTelling(string? department) => department is { Length: >= 2 } && Telling.Contains(department[..2]);

    /// <summary>Where somebody is sent, or for what, says the illness.</summary>
    public static bool GivesAway(string? department, PatientClass? patientClass) => IsTelling(department) || patientClass == PatientClass.Palliative;

    /// <summary>The same of a row <c>r</c>, with <c>@Telling</c>.</summary>
    public const string RowGivesAway = "(left(r.department, 2) = any(@Telling) or r.patient_class = 'Palliative')";

    /// <summary>After every change of the department.</summary>
    public static void Mark(Referral r) => r.Sensitive = r.Sensitive || IsTelling(r.Department);
}
