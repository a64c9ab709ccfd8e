using Referrals.Contracts;
using ReferralService.Referrals.Intake;

namespace ReferralService.Patients;

/// <summary>Who a patient is. Kept apart from the workflow, under a key of the person's own.</summary>
internal sealed record Identity(
    string? Name, string Sex, DateOnly? BirthDate, int? Age, string? ArchiveNo, string? MedicalRecordNo,
    string? Address, string? Phone, IdType? IdType, string? IdNo, string? Email = null, string? Language = null)
{
    public static Identity Of(PatientForm form) => new(
        form.Name?.Trim(), form.Sex ?? "0", form.BirthDate, form.Age, form.ArchiveNo, form.MedicalRecordNo,
        form.Address, form.Phone, form.IdType ?? (form.IdNo is null ? null : Patients.IdType.ResidentId),
        form.IdNo?.Trim().ToUpperInvariant(), form.Email, form.Language);

    public int? BirthYear(DateTimeOffset now) => BirthDate?.Year ?? (Age is { } age ? now.Year - age : null);

    /// <summary>
    /// True when nothing that says who it is stands against it; address, telephone, e-mail and the numbers of a house change.
    /// </summary>
    /// <param name="birthYear">Of the one who is known, as the row has it.</param>
    public bool MayBe(Identity? known, int? birthYear, DateTimeOffset now) =>
        (Name is null || string.Equals(Name, known?.Name, StringComparison.OrdinalIgnoreCase))
        && (IdNo is null || known?.IdNo is null || IdType != known.IdType || IdNo == known.IdNo)
        && !(Sex is "1" or "2" && known?.Sex is "1" or "2" && Sex != known?.Sex)
        && (BirthDate is null || known?.BirthDate is null || BirthDate == known.BirthDate)
        // an age says the year within one
        && (birthYear is null || BirthYear(now) is not { } year || Math.Abs(year - birthYear.Value) <= 1);

    /// <summary>What the blind index is made of; null without a number.</summary>
    public string? IndexText => IdNo is null ? null : $"{IdType}:{IdNo}";
}

/// <summary>Kinds of identity document.</summary>
internal enum IdType { ResidentId, Passport, HongKongMacaoPermit, TaiwanPermit, ForeignPermanentResident, Other, None }

/// <summary>How patient data is shown to those who need not see all of it.</summary>
internal static class Masking
{
    /// <summary>张三丰 → 张**.</summary>
    public static string Name(string? name) =>
        string.IsNullOrWhiteSpace(name) ? "未知" : name[..FirstLetter(name)] + new string('*', Math.Clamp(name.Length - FirstLetter(name), 1, 3));

    /// <summary>110105194912310021 → 110105********0021.</summary>
    public static string? IdNo(string? number) =>
        number is null ? null : number.Length < 11 ? new string('*', number.Length) : $"{number[..6]}********{number[^4..]}";

    /// <summary>13800001234 → 138****1234.</summary>
    public static string? Phone(string? phone) =>
        phone is null ? null : phone.Length < 8 ? new string('*', phone.Length) : $"{phone[..3]}****{phone[^4..]}";

    private static int FirstLetter(string name) => char.IsHighSurrogate(name[0]) && name.Length > 1 ? 2 : 1;
}
