using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace ServiceDefaults;

/// <summary>How JSON is written and how strictly it is read.</summary>
public static class Json
{
    /// <summary>Answers and events: camelCase, enums by name, absent instead of null, unknown members ignored.</summary>
    public static readonly JsonSerializerOptions Lenient = With(new JsonSerializerOptions(JsonSerializerDefaults.Web));

    /// <summary>
    /// Commands: an unknown or repeated member, a wrong type, deep nesting or an unusable character is an error,
    /// never a guess.
    /// </summary>
    public static readonly JsonSerializerOptions Strict = With(new JsonSerializerOptions
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        AllowDuplicateProperties = false,
        MaxDepth = 16,
        Converters = { new StrictText(), new OffsetTime() },
    });

    public static JsonSerializerOptions With(JsonSerializerOptions options)
    {
        options.DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull;
        // a number in quotes is a text; the OpenAPI document would say "integer or string" otherwise
        options.NumberHandling = JsonNumberHandling.Strict;
        options.Encoder = System.Text.Encodings.Web.JavaScriptEncoder.Create(System.Text.Unicode.UnicodeRanges.All);
        options.Converters.Add(new JsonStringEnumConverter(null, allowIntegerValues: false));
        options.TypeInfoResolver ??= new DefaultJsonTypeInfoResolver();
        return options;
    }

    // PostgreSQL stores no NUL, and other control characters only hide something from the reader.
    private sealed class StrictText : JsonConverter<string>
    {
        public override string? Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.String)
                throw new JsonException();
            var text = reader.GetString();
            foreach (var c in text!)
                if (char.IsControl(c) && c is not ('\n' or '\r' or '\t'))
                    throw new JsonException(Unusable);
            return text;
        }

        public override void Write(Utf8JsonWriter writer, string value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value);
    }

    // RFC 3339 with an offset: a time without one means something else at every desk.
    private sealed class OffsetTime : JsonConverter<DateTimeOffset>
    {
        public override DateTimeOffset Read(ref Utf8JsonReader reader, Type type, JsonSerializerOptions options)
        {
            if (reader.TokenType != JsonTokenType.String || reader.GetString() is not { } text)
                throw new JsonException();
            var offset = text.EndsWith('Z') || text.LastIndexOfAny(['+', '-']) > text.IndexOf('T') && text.Contains('T');
            if (!offset || !reader.TryGetDateTimeOffset(out var time) || time.UtcDateTime.Year is < 1900 or > 2200)
                throw new JsonException(NoOffset);
            return time.ToUniversalTime();
        }

        public override void Write(Utf8JsonWriter writer, DateTimeOffset value, JsonSerializerOptions options) =>
            writer.WriteStringValue(value);
    }

    internal const string Unusable = "unusable-character";
    internal const string NoOffset = "time-without-offset";
}
