using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Referrals.Contracts;

namespace Contracts.Tests;

/// <summary>
/// JSON Schema 2020-12 of an event: the whole CloudEvent, and inside it the schema of its data under the identifier
/// that the attribute <c>dataschema</c> names.
/// </summary>
internal static class Schemas
{
    private const string Additive = "Additive changes only: ignore members that you do not know.";

    private static readonly NullabilityInfoContext Nullability = new();

    public static JsonObject Of(EventType e)
    {
        var attributes = new JsonObject();
        var required = new JsonArray();
        foreach (var property in e.Envelope.GetProperties())
        {
            var name = property.Name.ToLowerInvariant();
            attributes[name] = name == "data" ? Data(e) : Attribute(e, name);
            if (IsRequired(property))
                required.Add(name);
        }
        return new()
        {
            ["$schema"] = "https://json-schema.org/draft/2020-12/schema",
            ["$id"] = e.DataSchema.Replace(":schema:", ":event:", StringComparison.Ordinal),
            ["title"] = e.Name,
            ["description"] = e.Meaning,
            ["type"] = "object",
            ["required"] = required,
            ["properties"] = attributes,
            ["additionalProperties"] = true,
        };
    }

    private static JsonObject Attribute(EventType e, string name) => name switch
    {
        "specversion" => new() { ["type"] = "string", ["const"] = CloudEvents.SpecVersion, ["description"] = "Version of CloudEvents." },
        "id" => new() { ["type"] = "string", ["format"] = "uuid", ["description"] = "The message: the same on every repetition, so that a receiver can drop what it has." },
        "source" => new() { ["type"] = "string", ["format"] = "uri-reference", ["minLength"] = 1, ["description"] = "The service that says it." },
        "type" => new() { ["type"] = "string", ["enum"] = Strings(e.Types), ["description"] = e.Types.Count > 1 ? "The event, up or down." : "The event." },
        "subject" => new() { ["type"] = "string", ["minLength"] = 1, ["description"] = SubjectOf(e) },
        "time" => new() { ["type"] = "string", ["format"] = "date-time", ["description"] = "When it happened." },
        "datacontenttype" => new() { ["type"] = "string", ["const"] = "application/json", ["description"] = "Media type of the data." },
        "dataschema" => new() { ["type"] = "string", ["const"] = e.DataSchema, ["description"] = "Identifier of the schema of the data; its last part is the version." },
        "sequence" => new() { ["type"] = "string", ["pattern"] = "^[1-9][0-9]*$", ["description"] = "Order within the referral, the same number as in the data." },
        "sequencetype" => new() { ["type"] = "string", ["const"] = CloudEvents.SequenceType, ["description"] = "How to read the sequence: as an integer." },
        "traceparent" => new() { ["type"] = "string", ["pattern"] = "^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", ["description"] = "W3C trace context of the change." },
        _ => throw new InvalidOperationException($"Say in Schemas.Attribute what the attribute {name} is."),
    };

    private static string SubjectOf(EventType e) => e switch
    {
        { PublishedBy: "notification" } => "Id of the endpoint.",
        { Name: SchedulingEvents.CapacityChanged } => "The institution.",
        _ => "Number of the referral.",
    };

    private static JsonObject Data(EventType e)
    {
        var schema = Members(e.Facts, e.Allowed);
        schema.Insert(0, "$id", e.DataSchema);
        schema.Insert(1, "description", $"{Comments.Of(e.Facts)} {Additive}");
        return schema;
    }

    private static JsonObject Members(Type type, IEnumerable<PropertyInfo> allowed)
    {
        var members = new JsonObject();
        var required = new JsonArray();
        foreach (var property in allowed)
        {
            members[EventType.NameOf(property)] = Of(property);
            if (IsRequired(property))
                required.Add(EventType.NameOf(property));
        }
        return new() { ["type"] = "object", ["required"] = required, ["properties"] = members, ["additionalProperties"] = true };
    }

    private static JsonObject Of(PropertyInfo property)
    {
        var schema = Of(property.PropertyType);
        var type = Inner(property.PropertyType);
        var description = Comments.Of(property);
        if (type.IsEnum)
        {
            var values = Enum.GetNames(type).Select(name => (name, comment: Comments.OfValue(type, name))).Where(v => v.comment is not null);
            description = string.Join(' ', new[] { description }.Concat(values.Select(v => $"{v.name}: {v.comment}")));
        }
        if (description is not null)
            schema["description"] = description;
        return schema;
    }

    private static JsonObject Of(Type declared)
    {
        var type = Nullable.GetUnderlyingType(declared) ?? declared;
        if (type.IsEnum)
            return new() { ["type"] = "string", ["enum"] = Strings(Enum.GetNames(type)) };
        if (type == typeof(string))
            return new() { ["type"] = "string" };
        if (type == typeof(bool))
            return new() { ["type"] = "boolean" };
        if (type == typeof(int) || type == typeof(long))
            return new() { ["type"] = "integer", ["format"] = type == typeof(int) ? "int32" : "int64" };
        if (type == typeof(Guid))
            return new() { ["type"] = "string", ["format"] = "uuid" };
        if (type == typeof(DateTimeOffset))
            return new() { ["type"] = "string", ["format"] = "date-time" };
        if (type == typeof(DateOnly))
            return new() { ["type"] = "string", ["format"] = "date" };
        if (Item(type) is { } item)
            return new() { ["type"] = "array", ["items"] = item.Namespace == "Referrals.Contracts" ? Record(item) : Of(item) };
        return type.Namespace == "Referrals.Contracts"
            ? Members(type, type.GetProperties())
            : throw new InvalidOperationException($"Say in Schemas.Of how {type} is written.");
    }

    private static JsonObject Record(Type type)
    {
        var schema = Members(type, type.GetProperties());
        schema.Insert(0, "description", Comments.Of(type));
        return schema;
    }

    /// <summary>The type behind a nullable or a list.</summary>
    public static Type Inner(Type type) => Nullable.GetUnderlyingType(type) ?? Item(type) ?? type;

    private static Type? Item(Type type) =>
        type != typeof(string) && type.IsGenericType && typeof(IEnumerable).IsAssignableFrom(type) ? type.GetGenericArguments()[0] : null;

    // a member that may be null is left out instead
    private static bool IsRequired(PropertyInfo property) =>
        property.DeclaringType!.GetConstructors().Any(c => c.GetParameters().Any(p => p.Name == property.Name))
            ? Nullability.Create(property).ReadState != NullabilityState.Nullable
            : property.GetCustomAttribute<RequiredMemberAttribute>() is not null;

    private static JsonArray Strings(IEnumerable<string> values) => [.. values.Select(v => JsonValue.Create(v))];
}
