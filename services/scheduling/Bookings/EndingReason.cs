using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>Why somebody gave a place back or moved to another one.</summary>
internal sealed record EndingReason(string Code, string? Note)
{
    private const string Other = "OTHER";

    public static readonly IReadOnlyList<string> Codes =
        ["BED_LOST", "CLINICIAN_ABSENT", "EQUIPMENT_DOWN", "INSTITUTION_CLOSED", "PATIENT_REQUEST", "CONDITION_CHANGED", Other];

    public static (EndingReason? Reason, Problem? Problem) Of(string? code, string? note)
    {
        var checks = new Checks();
        Check(checks, code);
        checks.Text(note, "/note", 200, required: code == Other);
        return checks.Passed ? (new(code!, note), null) : (null, checks.Problem);
    }

    /// <summary>A code without words, where nobody is asked for any.</summary>
    public static void Check(Checks checks, string? code)
    {
        var codes = string.Join(", ", Codes);
        checks.That(code is not null && Codes.Contains(code), "/reason", $"One of {codes}.", $"取值为 {codes}。");
    }
}
