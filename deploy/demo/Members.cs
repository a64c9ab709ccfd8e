using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>Members of a service's answer that must be there; one that is not ends the walk with a sentence.</summary>
internal static class Members
{
    public static string Text(this JsonObject answer, string member) =>
        answer[member] is JsonValue value && value.TryGetValue<string>(out var text) ? text : throw Lacks(answer, member);

    public static JsonObject Inner(this JsonObject answer, string member) => answer[member] as JsonObject ?? throw Lacks(answer, member);

    /// <summary>The objects of a list.</summary>
    public static IReadOnlyList<JsonObject> Rows(this JsonObject answer, string member) =>
        answer[member] is JsonArray rows ? [.. rows.OfType<JsonObject>()] : throw Lacks(answer, member);

    // names only: the values may be a patient's
    private static WalkFailed Lacks(JsonObject answer, string member) =>
        new($"An answer should hold '{member}', but holds {string.Join(", ", answer.Select(m => m.Key).DefaultIfEmpty("nothing"))}.");
}
