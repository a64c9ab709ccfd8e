using System.Text.Json;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>A filled slip of the demo: who sends it, the form, and what follows.</summary>
internal sealed class Slip(string number, JsonObject file)
{
    public string Title => $"{number} {file["title"]}";
    public string Institution => file["actingInstitution"]!.GetValue<string>();
    public string Role => file["actingRole"]!.GetValue<string>();
    public string Subject => file["actingSubject"]!.GetValue<string>();
    public int ExpectedArrivalDays => file["expectedArrivalDays"]?.GetValue<int>() ?? 1;
    public string Target => file["request"]!["to"]!["institution"]!.GetValue<string>();
    public string Department => file["request"]!["to"]!["department"]!.GetValue<string>();
    public string? Doctor => file["request"]!["to"]!["doctor"]?.GetValue<string>();

    /// <summary>A copy of the form, dated with the day it is filled.</summary>
    public JsonObject Form()
    {
        var form = (JsonObject)file["request"]!.DeepClone();
        form["date"] = Day.Today.ToString("yyyy-MM-dd");
        return form;
    }

    /// <summary>A copy of one part of <c>then</c>: what happens to this slip afterwards.</summary>
    public JsonObject Then(string what) =>
        file["then"]?[what]?.DeepClone() as JsonObject ?? throw new WalkFailed($"Slip {number} does not say what comes of it: then.{what} is missing.");

    /// <summary>A text of the form.</summary>
    public string Text(string member) =>
        file["request"]![member]?.GetValue<string>() ?? throw new WalkFailed($"Slip {number} lacks {member}.");

    /// <summary>The tasks of the follow-up plan, in order.</summary>
    public IReadOnlyList<string> FollowUps =>
        [.. (file["request"]!["plan"]?["followUps"] as JsonArray ?? []).Select(f => f!["task"]!.GetValue<string>())];
}

/// <summary>Reads what lies in the demo's folder.</summary>
internal sealed class DemoFiles(string folder)
{
    /// <summary>The slip whose file name begins with this number.</summary>
    public Slip Slip(string number)
    {
        var found = Directory.Exists(Path.Combine(folder, "slips"))
            ? Directory.GetFiles(Path.Combine(folder, "slips"), number + "-*.json") : [];
        return found.Length == 1 ? new(number, (JsonObject)Parse(found[0]))
            : throw new WalkFailed($"The folder {folder}/slips must hold one slip {number}-….json.");
    }

    /// <summary>The objects of a file that is a list.</summary>
    public IReadOnlyList<JsonObject> List(string file) => [.. ((JsonArray)Parse(Path.Combine(folder, file))).Select(row => (JsonObject)row!)];

    public static string[] Lines(string folder, string file)
    {
        try
        {
            return File.ReadAllLines(Path.Combine(folder, file));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WalkFailed($"The file {file} of the demo cannot be read: {e.Message}");
        }
    }

    private static JsonNode Parse(string file)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(file))!;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new WalkFailed($"The file {Path.GetFileName(file)} of the demo cannot be read: {e.Message}");
        }
    }
}
