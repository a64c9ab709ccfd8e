using Referrals.Contracts;
using static ReferralService.Deadlines.StepMeaning;

namespace ReferralService.Deadlines;

/// <summary>The table of timers as it holds where no alliance has set anything else.</summary>
internal static class TimerDefaults
{
    private const int Hour = 60, Day = 24 * Hour;

    /// <summary>Whom a ladder may reach; a subscriber maps them to people.</summary>
    public static readonly IReadOnlyList<string> Addressees =
    [
        "AllianceOffice", "AllParties", "Approver", "Attending", "BothSides", "Claimant", "ClinicHead", "Coordinator", "DepartmentHead",
        "Deputy", "Doctor", "DutyDesk", "FamilyDoctor", "Hospital", "MedicalOffice", "Patient", "ReferralOffice", "Registrar",
    ];

    public static readonly IReadOnlyList<TimerSetting> All =
    [
        new() { Timer = "Intake", Steps = [Tell(Day, Missed, "FamilyDoctor")], UrgeEveryMinutes = Day, UrgeTo = ["ClinicHead"] },
        new() { Timer = "InternalReview", Steps = [Tell(Hour, Missed, "Approver")], UrgeEveryMinutes = 4 * Hour, UrgeTo = ["Deputy"] },
        new() { Timer = "InternalReview", Priority = Priority.Routine, Steps = [Tell(4 * Hour, Missed, "Approver")], UrgeEveryMinutes = 4 * Hour, UrgeTo = ["Deputy"] },
        new()
        {
            Timer = "Triage", Steps = [Tell(2 * Hour, Warning, "Claimant"), Tell(Day, Missed, "DepartmentHead")],
            UrgeEveryMinutes = 2 * Hour, UrgeTo = ["ReferralOffice", "DutyDesk", "AllianceOffice"], ActAfterMinutes = 2 * Day,
        },
        new()
        {
            Timer = "Triage", Priority = Priority.Urgent, Steps = [Tell(2 * Hour, Missed, "DepartmentHead")],
            UrgeEveryMinutes = 2 * Hour, UrgeTo = ["ReferralOffice", "DutyDesk", "AllianceOffice"], ActAfterMinutes = Day,
        },
        new()
        {
            Timer = "Triage", Priority = Priority.Emergency, Steps = [Tell(15, Missed, "DutyDesk")],
            UrgeEveryMinutes = 2 * Hour, UrgeTo = ["DutyDesk", "AllianceOffice"],
        },
        new() { Timer = "Turnaround", Steps = [Tell(4 * Hour, Missed, "ReferralOffice")] },
        new() { Timer = "Information", Steps = [Tell(2 * Day, Missed, "Doctor")], UrgeEveryMinutes = Day, UrgeTo = ["ClinicHead"], ActAfterMinutes = 7 * Day },
        new()
        {
            Timer = "Information", Priority = Priority.Urgent, Steps = [Tell(12 * Hour, Missed, "Doctor")],
            UrgeEveryMinutes = Day, UrgeTo = ["ClinicHead"], ActAfterMinutes = 7 * Day,
        },
        new() { Timer = "Information", Priority = Priority.Emergency, Steps = [Tell(30, Missed, "Doctor")], UrgeEveryMinutes = Day, UrgeTo = ["ClinicHead"] },
        new() { Timer = "Scheduling", Steps = [Tell(2 * Hour, Warning, "Registrar"), Tell(4 * Hour, Missed, "ReferralOffice")] },
        new() { Timer = "Scheduling", Priority = Priority.Routine, Steps = [Tell(2 * Hour, Warning, "Registrar"), Tell(Day, Missed, "ReferralOffice")] },
        new() { Timer = "Capacity", Steps = [Tell(Day, Missed, "ReferralOffice")], UrgeEveryMinutes = Day, UrgeTo = ["ReferralOffice"] },
        new() { Timer = "Capacity", Priority = Priority.Routine, Steps = [Tell(3 * Day, Missed, "ReferralOffice")], UrgeEveryMinutes = Day, UrgeTo = ["ReferralOffice"] },
        new() { Timer = "Reminder", Steps = [Tell(-Day, Warning, "Patient"), Tell(-2 * Hour, Warning, "Patient")] },
        new() { Timer = "Absence", ActAfterMinutes = 30 },
        new() { Timer = "NoShow", ActAfterMinutes = 7 * Day },
        new() { Timer = "Arrival", ActAfterMinutes = 30 },
        new() { Timer = "Arrival", Priority = Priority.Emergency, Steps = [Tell(15, Missed, "BothSides")], UrgeEveryMinutes = 15, UrgeTo = ["BothSides"] },
        new() { Timer = "BedHold", ActAfterMinutes = 2 * Day },
        new()
        {
            Timer = "Treatment", Steps = [Tell(36 * Hour, Warning, "Attending"), Tell(2 * Day, Missed, "DepartmentHead")],
            UrgeEveryMinutes = Day, UrgeTo = ["MedicalOffice"], StartsAt = TimerStart.Arrived,
        },
        new() { Timer = "Return", Steps = [Tell(Day, Missed, "Attending")], UrgeEveryMinutes = Day, UrgeTo = ["AllianceOffice"] },
        new() { Timer = "DownAcknowledge", Steps = [Tell(Day, Missed, "Coordinator")], UrgeEveryMinutes = Day, UrgeTo = ["ClinicHead", "Hospital", "AllianceOffice"] },
        new() { Timer = "Discharge", Steps = [Tell(Day, Missed, "Hospital")] },
        new() { Timer = "FirstFollowUp", Steps = [Tell(7 * Day, Missed, "FamilyDoctor")], UrgeEveryMinutes = 2 * Day, UrgeTo = ["Coordinator"] },
        new() { Timer = "FollowUpDue", Steps = [Tell(0, Missed, "FamilyDoctor")], UrgeEveryMinutes = 2 * Day, UrgeTo = ["Coordinator"] },
        new()
        {
            Timer = "GreenChannel", Steps = [Tell(15, Missed, "DutyDesk"), Tell(2 * Hour, Escalated, "AllParties"), Tell(4 * Hour, Escalated, "AllParties")],
            UrgeEveryMinutes = 2 * Hour, UrgeTo = ["AllParties"],
        },
        new() { Timer = "Consent", Steps = [Tell(Day, Missed, "ClinicHead")], UrgeEveryMinutes = Day, UrgeTo = ["ClinicHead"] },
        new() { Timer = "CancellationConfirm", ActAfterMinutes = Day, UrgeEveryMinutes = Day, UrgeTo = ["ReferralOffice"] },
        new() { Timer = "Claim", ActAfterMinutes = 15 },
    ];

    private static TimerStep Tell(int after, StepMeaning does, params string[] to) => new(after, does, to);
}
