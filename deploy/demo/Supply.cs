using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace ReferralDemo;

/// <summary>
/// Slots and wards of the demo, published over HTTP by each institution for itself. Only what is not there yet is
/// published, under keys made of the file, the day and the content: a repetition adds nothing.
/// </summary>
internal sealed class Supply(Service scheduling, Printer printer, Cast cast, DemoFiles files)
{
    private const int MostSlots = 500;
    private const string JointWard = "RehabJointWard";

    private static readonly Dictionary<string, string> Resources = new()
    {
        ["OutpatientSlot"] = "Slot", ["ExaminationSlot"] = "Equipment", ["ReadingCapacity"] = "Reading",
        ["TeleconsultationSession"] = "Session", ["FirstVisit"] = "Visit", ["HomeVisit"] = "Visit",
    };

    /// <summary>Publishes slots for the next days and opens the wards.</summary>
    public async Task Load()
    {
        var (slots, wards) = (files.List("slots.json"), files.List("wards.json"));
        var (newSlots, newWards, began) = (0, 0, Stopwatch.GetTimestamp());
        foreach (var own in slots.GroupBy(s => s["institution"]!.GetValue<string>()))
            newSlots += await PublishMissing(cast.Office(own.Key), own);
        foreach (var own in wards.GroupBy(w => w["institution"]!.GetValue<string>()))
            newWards += await OpenMissing(cast.Office(own.Key), own);
        printer.Say($"{slots.Count} slots and {wards.Count} wards of the demo stand in scheduling: "
            + $"{newSlots} slots and {newWards} wards are new, the others were there ({Stopwatch.GetElapsedTime(began).TotalSeconds:0.0} s).");
    }

    private async Task<int> PublishMissing(Actor office, IEnumerable<JsonObject> rows)
    {
        var standing = await Standing(office);
        var missing = rows.Select(Slot).Where(slot => !standing.Contains(Key(slot))).ToArray();
        foreach (var some in missing.Chunk(MostSlots))
        {
            var body = new JsonObject { ["slots"] = new JsonArray([.. some]) };
            await scheduling.Post(office, "/v1/slots", body, "to publish slots", key: KeyOf("slots.json", body));
        }
        return missing.Length;
    }

    private async Task<HashSet<string>> Standing(Actor office)
    {
        var found = new HashSet<string>();
        var from = Day.At(Day.Today.AddDays(1), TimeOnly.MinValue).ToUniversalTime().ToString("yyyy-MM-ddTHH:mm:ssZ");
        for (var page = $"/v1/slots?from={from}&limit=200"; page is not null;)
        {
            var answer = await scheduling.Look(office, page, "to list slots");
            found.UnionWith(answer.Body.Rows("items").Select(Key));
            page = answer.Next;
        }
        return found;
    }

    private static JsonObject Slot(JsonObject row)
    {
        var day = Day.Today.AddDays(row["dayOffset"]!.GetValue<int>());
        string At(string hour) => Day.Text(Day.At(day, TimeOnly.ParseExact(row[hour]!.GetValue<string>(), "HH:mm")));
        var slot = new JsonObject
        {
            ["department"] = row["department"]!.GetValue<string>(), ["resource"] = Resources[row["kind"]!.GetValue<string>()],
            ["startsAt"] = At("from"), ["endsAt"] = At("to"), ["capacity"] = row["capacity"]!.GetValue<int>(),
        };
        if (row["doctor"] is { } doctor)
            slot["clinician"] = doctor.GetValue<string>();
        return slot;
    }

    private static string Key(JsonObject slot) =>
        $"{slot["department"]}|{slot["resource"]}|{DateTimeOffset.Parse(slot.Text("startsAt"), CultureInfo.InvariantCulture).UtcTicks}|{slot["clinician"]}";

    private async Task<int> OpenMissing(Actor office, IEnumerable<JsonObject> rows)
    {
        var page = await scheduling.Get(office, "/v1/wards?limit=200", "to list wards");
        var standing = page.Rows("items").Select(ward => ward.Text("name")).ToHashSet();
        var missing = rows.Where(row => !standing.Contains(row["name"]!.GetValue<string>())).ToArray();
        foreach (var row in missing)
        {
            var body = Ward(row["name"]!.GetValue<string>(), row["department"]!.GetValue<string>(), row["beds"]!.GetValue<int>());
            if (row["kind"]!.GetValue<string>() == JointWard)
                body["eligibility"] = JointWard;
            await scheduling.Post(office, "/v1/wards", body, "to open a ward", key: KeyOf("wards.json", body));
        }
        return missing.Length;
    }

    private static JsonObject Ward(string name, string department, int beds) => new()
    {
        ["name"] = name, ["department"] = department,
        ["beds"] = new JsonArray([.. Enumerable.Range(1, beds).Select(n => (JsonNode)n.ToString("00"))]),
    };

    private static string KeyOf(string file, JsonObject body) => $"demo-{file}-{Day.Today:yyyy-MM-dd}-"
        + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(body.ToJsonString())))[..24];

    /// <summary>
    /// Publishes as many beds or places as patients wait for in a department, so that whoever stands in line before
    /// ours is served, too.
    /// </summary>
    public async Task OpenRoom(string institution, string department, string resource)
    {
        var office = cast.Office(institution);
        var line = await scheduling.Get(office, $"/v1/waiting-list?as=receiver&department={department}&limit=200", "to read the waiting list");
        var waiting = Math.Max(1, line.Rows("items").Count);
        if (resource is "Bed" or "Ward")
        {
            var ward = Ward($"加床(演示) {Day.Now:yyMMdd-HHmmss}", department, waiting);
            await scheduling.Post(office, "/v1/wards", ward, "to open a ward");
            printer.Remark($"{office.Name} opens a ward of {waiting} bed(s) in department {department}");
            return;
        }
        var tomorrow = Day.Today.AddDays(1);
        var slot = new JsonObject
        {
            ["department"] = department, ["resource"] = resource, ["capacity"] = waiting,
            ["startsAt"] = Day.Text(Day.At(tomorrow, new(18, 0))), ["endsAt"] = Day.Text(Day.At(tomorrow, new(18, 30))),
        };
        await scheduling.Post(office, "/v1/slots", new() { ["slots"] = new JsonArray(slot) }, "to publish a slot");
        printer.Remark($"{office.Name} publishes room for {waiting} in department {department} ({resource})");
    }
}
