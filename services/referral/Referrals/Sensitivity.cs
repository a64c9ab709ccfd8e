namespace ReferralService.Referrals;

/// <summary>What gives an illness away beside its code; where a referral goes can make it sensitive and never takes that away.</summary>
internal static class Sensitivity
{
    /// <summary>Psychiatry, infectious diseases, tuberculosis, hospice care (诊疗科目 15, 16, 17, 24).</summary>
    public static bool IsTelling(string? department) => department is { Length: >= 2 } && department[..2] is "15" or "16" or "17" or "24";

    /// <summary>After every change of the department.</summary>
    public static void Mark(Referral r) => r.Sensitive = r.Sensitive || IsTelling(r.Department);
}
