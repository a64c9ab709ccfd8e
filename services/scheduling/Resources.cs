namespace SchedulingService;

/// <summary>Kinds of places, spelled as the events spell them.</summary>
internal static class Resources
{
    /// <summary>An appointment of a clinic (门诊).</summary>
    public const string Slot = "Slot";
    /// <summary>A bed of the department that accepted (住院).</summary>
    public const string Bed = "Bed";
    /// <summary>An examination device (检查设备).</summary>
    public const string Equipment = "Equipment";
    /// <summary>Time of somebody who reads images or traces from below.</summary>
    public const string Reading = "Reading";
    /// <summary>A consultation over distance.</summary>
    public const string Session = "Session";
    /// <summary>A bed at the primary level, of a rehab joint ward (康复联合病房) where the patient may use it.</summary>
    public const string Ward = "Ward";
    /// <summary>The first visit, or a home visit, of a patient who came back.</summary>
    public const string Visit = "Visit";

    public static readonly IReadOnlyList<string> All = [Slot, Bed, Equipment, Reading, Session, Ward, Visit];

    /// <summary>Those with a time of day; the others are beds.</summary>
    public static readonly IReadOnlyList<string> Timed = [Slot, Equipment, Reading, Session, Visit];
}
