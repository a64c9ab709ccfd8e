namespace ReferralService.Referrals;

/// <summary>What gives an illness away beside its code; where a referral goes can make it sensitive and never takes that away.</summary>
internal static class Sensitivity
{
    /// <summary>Psychiatry, infectious diseases, tuberculosis, hospice care (诊疗科目 15, 16, 17, 24): the first two digits.</summary>
    public static readonly string[] Telling = ["15", "16", "17", "24"];

    public static bool IsTelling(string? department) => department is { Length: >= 2 } && Telling.Contains(department[..2]);

    /// <summary>After every change of the department.</summary>
    public static void Mark(Referral r) => r.Sensitive = r.Sensitive || IsTelling(r.Department);
}
