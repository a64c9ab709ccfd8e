using SchedulingService.Http;
using SchedulingService.Slots;
using ServiceDefaults.Http;

namespace SchedulingService.Sessions;

/// <summary>When a session is held and what its slots are like; hours are China's.</summary>
/// <param name="Weekdays">1 Monday … 7 Sunday.</param>
/// <param name="From">Opening, e.g. 08:00.</param>
/// <param name="Until">Closing, e.g. 12:00; at most 24:00.</param>
/// <param name="ValidFrom">First day.</param>
/// <param name="ValidUntil">Last day; absent: no end yet.</param>
/// <param name="SlotMinutes">Length of one slot; absent: the whole session is one slot, e.g. of a reading room or a round of home visits.</param>
/// <param name="Capacity">Patients a slot takes, 1 when absent.</param>
/// <param name="Clinician">Id of the clinician, never a name.</param>
/// <param name="OnHolidays">True: days off of the calendar do not stop it.</param>
/// <param name="Place">Where to go, in Chinese, e.g. 门诊楼三层302诊室; patients read it.</param>
/// <param name="ReservedFor">FamilyDoctor: patients with a family-doctor contract alone, until the slots open.</param>
/// <param name="ReleaseHours">Hours before its start at which a reserved slot opens to all; 24 when absent.</param>
internal sealed record SessionPattern(
    IReadOnlyList<int> Weekdays, string From, string Until, DateOnly ValidFrom, DateOnly? ValidUntil = null, int? SlotMinutes = null,
    int Capacity = 1, string? Clinician = null, bool OnHolidays = false, string? Place = null, string? ReservedFor = null, int? ReleaseHours = null)
{
    public const string FamilyDoctor = "FamilyDoctor";
    private const int UsualRelease = 24;

    public Session Of(Guid id, string institution, string department, string resource) => new()
    {
        Id = id, Institution = institution, Department = department, Resource = resource, Clinician = Clinician,
        Weekdays = [.. Weekdays.Distinct().Order()], FromMinute = Hours.Minute(From)!.Value, UntilMinute = Hours.Minute(Until)!.Value,
        SlotMinutes = SlotMinutes, Capacity = Capacity, ValidFrom = ValidFrom, ValidUntil = ValidUntil, OnHolidays = OnHolidays,
        Place = Place, ReservedFor = ReservedFor, ReleaseHours = ReservedFor is null ? null : ReleaseHours ?? UsualRelease,
    };

    public void Check(Checks checks, string at)
    {
        checks.That(Weekdays is { Count: >= 1 and <= 7 } && Weekdays.All(d => d is >= 1 and <= 7), at + "/weekdays",
            "One to seven of 1 (Monday) to 7 (Sunday).", "取值为 1（周一）至 7（周日），至少一个。");
        CheckHours(checks, From, Until, at);
        var (from, until) = (Hours.Minute(From) ?? 0, Hours.Minute(Until) ?? 0);
        checks.That(SlotMinutes is null || SlotMinutes >= 5 && SlotMinutes <= until - from, at + "/slotMinutes",
            "From 5 minutes to the length of the session.", "不少于 5 分钟，且不超过整个时段。");
        checks.That(Capacity is >= 1 and <= 1000, at + "/capacity", "From 1 to 1000.", "1 至 1000。");
        checks.That(ValidFrom.Year is > 2000 and < 2200, at + "/validFrom", "A day is needed, e.g. 2026-12-01.", "需要日期，例如 2026-12-01。");
        checks.That(ValidUntil is null || ValidUntil >= ValidFrom && ValidUntil.Value.Year < 2200, at + "/validUntil", "Not before validFrom.", "不得早于 validFrom。");
        checks.That(Clinician is null || PublishSlots.ClinicianId().IsMatch(Clinician), at + "/clinician",
            "The id of a clinician: letters, digits, hyphen, at most 40.", "医生编号：字母、数字、连字符，最多 40 个字符。");
        Reading.Label(Place, at + "/place", 80, checks, required: false);
        checks.That(ReservedFor is null or FamilyDoctor, at + "/reservedFor", "FamilyDoctor, or absent.", "取值为 FamilyDoctor，或不填。");
        checks.That(ReleaseHours is null || ReservedFor is not null && ReleaseHours is >= 0 and <= 720, at + "/releaseHours",
            "From 0 to 720, and with reservedFor only.", "0 至 720，且仅在设置 reservedFor 时使用。");
    }

    public static void CheckHours(Checks checks, string? from, string? until, string at)
    {
        checks.That(Hours.Minute(from) is >= 0 and < 1440, at + "/from", "An hour such as 08:00 is needed.", "需要时间，例如 08:00。");
        checks.That(Hours.Minute(until) is { } end && (Hours.Minute(from) is not { } start || end > start), at + "/until",
            "An hour after 'from' is needed, such as 12:00.", "需要晚于 from 的时间，例如 12:00。");
    }
}
