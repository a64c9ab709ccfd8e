using System.Text.Json.Nodes;
using Referrals.Contracts;
using ServiceDefaults;

namespace NotificationService;

/// <summary>Leaves out of an event what gives a sensitive illness away, for readers who are no party.</summary>
internal static class Masking
{
    // psychiatry, infectious diseases, tuberculosis, hospice care (诊疗科目 15, 16, 17, 24)
    private static readonly string[] SensitiveDepartments = ["15", "16", "17", "24"];

    // a ward set, a clinician or a reason tells the department as well as its code does
    private static readonly string[] Telling = ["department", "patientClass", "clinician", "eligibility", "reason", "flags"];

    /// <summary>
    /// True for the departments above with their sub-codes (16.02), for palliative care, and for a class of a later
    /// version: what is not known to be harmless is not shown.
    /// </summary>
    public static bool IsSensitive(string? department, string? patientClass) =>
        patientClass is not null && (!Enum.TryParse<PatientClass>(patientClass, out var known) || known == PatientClass.Palliative)
        || department is not null && Array.Exists(SensitiveDepartments, code => department.StartsWith(code, StringComparison.Ordinal));

    /// <summary>The same CloudEvent without the telling members of its data.</summary>
    public static string Mask(string body)
    {
        var cloudEvent = JsonNode.Parse(body)!.AsObject();
        if (cloudEvent["data"] is JsonObject data)
            foreach (var member in Telling)
                data.Remove(member);
        return cloudEvent.ToJsonString(Json.Lenient);
    }
}
