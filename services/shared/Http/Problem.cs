using System.Text.Json.Serialization;

namespace ServiceDefaults.Http;

/// <summary>A sentence in the two languages a caller may ask for.</summary>
public readonly record struct Text(string En, string Zh)
{
    public string In(bool chinese) => chinese ? Zh : En;
}

/// <summary>One kind of refusal: its stable code, status and what the caller can do about it.</summary>
public sealed record ProblemType(string Code, int Status, Text Title, Text WhatToDo)
{
    /// <summary>Stable <c>type</c> URI of RFC 9457.</summary>
    public string Uri => "urn:referral:problem:" + Code;
}

/// <summary>One wrong member of a request.</summary>
/// <param name="Pointer">JSON Pointer (RFC 6901) into the body, or the name of a header or query parameter.</param>
public sealed record FieldError(string Pointer, Text Detail);

/// <summary>A refusal as a value: it travels from a rule to the answer without an exception.</summary>
public sealed record Problem(ProblemType Type)
{
    /// <summary>This case in one sentence; the type's advice when absent. Never echoes a patient's value.</summary>
    public Text? Detail { get; init; }
    public IReadOnlyList<FieldError> Errors { get; init; } = [];
    /// <summary>Members beyond RFC 9457, e.g. the current state of a 409.</summary>
    public IReadOnlyDictionary<string, object?> More { get; init; } = new Dictionary<string, object?>();
    /// <summary>Seconds for <c>Retry-After</c>.</summary>
    public int? RetryAfter { get; init; }

    public static implicit operator Problem(ProblemType type) => new(type);
}

/// <summary>The body of an RFC 9457 answer.</summary>
public sealed record ProblemBody(
    string Type,
    string Title,
    int Status,
    string Detail,
    string Code,
    string? Instance,
    string TraceId,
    IReadOnlyList<ProblemBodyError>? Errors)
{
    [JsonExtensionData]
    public IDictionary<string, object?>? More { get; init; }
}

/// <summary>One wrong member, in the caller's language.</summary>
public sealed record ProblemBodyError(string Pointer, string Detail);
