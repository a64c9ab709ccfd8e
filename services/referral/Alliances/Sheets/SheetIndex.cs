using ReferralService.Patients;

namespace ReferralService.Alliances.Sheets;

/// <summary>Every table that can be loaded from CSV, in the order in which they depend on each other.</summary>
internal sealed class SheetIndex(PatientKeys keys)
{
    public Sheet<ContractEntry> Contracts { get; } = ContractEntry.Sheet(keys);

    public IReadOnlyList<Sheet> All =>
    [
        InstitutionEntry.Sheet, DepartmentEntry.Sheet, ClinicianEntry.Sheet, AllianceEntry.Sheet, MembershipEntry.Sheet,
        GridEntry.Sheet, Contracts, StandingAgreementEntry.Sheet, ReasonCodeEntry.Sheet, DiagnosisEntry.Sheet,
        CalendarEntry.Sheet, CalendarDayEntry.Sheet, DiagnosisSetEntry.Sheet, SpecialtyEntry.Sheet, FormularyEntry.Sheet,
    ];

    public Sheet? Find(string name) => All.FirstOrDefault(s => s.Name == name);
}
