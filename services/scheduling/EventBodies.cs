using System.Buffers;
using System.Text;
using System.Text.Json;
using Referrals.Contracts;
using ServiceDefaults;

namespace SchedulingService;

/// <summary>Writes the CloudEvent of something scheduling says; members that are not on the event's list are left out.</summary>
internal static class EventBodies
{
    private static readonly Dictionary<string, HashSet<string>> Allowed = SchedulingEvents.All.ToDictionary(
        e => e.Name, e => e.Members.Concat(SchedulingEvents.Always).ToHashSet());

    /// <param name="trace">What it belongs to, in W3C form; null where nothing is traced.</param>
    public static string Write(Guid id, string type, string subject, DateTimeOffset time, SchedulingFacts facts, string? trace)
    {
        var buffer = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteString("specversion", CloudEvents.SpecVersion);
            json.WriteString("id", id);
            json.WriteString("source", "/scheduling");
            json.WriteString("type", type);
            json.WriteString("subject", subject);
            json.WriteString("time", time.UtcDateTime);
            json.WriteString("datacontenttype", "application/json");
            json.WriteString("dataschema", CloudEvents.SchemaOf(type));
            if (trace is not null)
                json.WriteString("traceparent", trace);
            json.WriteStartObject("data");
            foreach (var member in JsonSerializer.SerializeToElement(facts, Json.Lenient).EnumerateObject())
                if (Allowed[type].Contains(member.Name))
                    member.WriteTo(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }
}
