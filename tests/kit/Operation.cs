using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace TestKit;

/// <summary>One operation as the checked-in OpenAPI document of a service describes it.</summary>
public sealed partial record Operation(string Method, string Path, JsonElement Description)
{
    public string Name => $"{Method} {Path}";
    public override string ToString() => Name;

    /// <summary>The last part of the path: the verb of a move.</summary>
    public string Verb => Path.Split('/')[^1];
    public bool NeedsToken => Description.TryGetProperty("security", out var security) && security.GetArrayLength() > 0;
    public bool TakesBody => Method is "post" or "put" or "patch";
    public string? Example => Description.TryGetProperty("requestBody", out var body)
        && body.GetProperty("content").TryGetProperty("application/json", out var json) && json.TryGetProperty("example", out var example)
            ? example.GetRawText() : null;
    public IReadOnlyList<string> Answers => [.. Description.GetProperty("responses").EnumerateObject().Select(r => r.Name)];
    public bool Needs(string header) => Parameters("header").Any(p => p.Name == header && p.Required);
    public IEnumerable<string> Query => Parameters("query").Select(p => p.Name);

    private IEnumerable<(string Name, bool Required)> Parameters(string place) =>
        !Description.TryGetProperty("parameters", out var parameters) ? []
            : parameters.EnumerateArray().Where(p => p.GetProperty("in").GetString() == place)
                .Select(p => (p.GetProperty("name").GetString()!, p.TryGetProperty("required", out var required) && required.GetBoolean()));

    /// <summary>Every operation of <c>services/NAME/openapi.json</c>.</summary>
    public static IReadOnlyList<Operation> Of(string service)
    {
        using var document = JsonDocument.Parse(File.ReadAllText(Generated.Source($"services/{service}/openapi.json")));
        return [.. document.RootElement.GetProperty("paths").EnumerateObject().SelectMany(path => path.Value.EnumerateObject()
            .Where(o => o.Name is "get" or "post" or "put" or "patch" or "delete")
            .Select(o => new Operation(o.Name, path.Name, o.Value.Clone())))];
    }

    /// <summary>A request that is complete but for what the caller takes away: example body, key, If-Match.</summary>
    /// <param name="values">What stands for {id} and its like, in the order of path and query.</param>
    public HttpRequestMessage Request(IReadOnlyList<string> values, string query = "", string? body = null, string contentType = "application/json")
    {
        var next = 0;
        var address = Placeholder().Replace(Path + query, _ => Uri.EscapeDataString(values[next++]));
        var request = new HttpRequestMessage(new(Method.ToUpperInvariant()), address);
        if (TakesBody)
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        if (Needs("If-Match"))
            request.Headers.TryAddWithoutValidation("If-Match", "*");
        if (TakesBody && (body ?? Example) is { } content)
            request.Content = new StringContent(content, Encoding.UTF8) { Headers = { ContentType = MediaTypeHeaderValue.Parse(contentType) } };
        return request;
    }

    [GeneratedRegex(@"\{\w+\}")]
    private static partial Regex Placeholder();
}

/// <summary>
/// What a document cannot say of operations: whose things they are about. One line of a service's table; the line
/// with the longest path that an operation begins with speaks for it, one that names the method goes first.
/// </summary>
/// <param name="Path">Beginning of a path, or <c>method path</c> for one operation alone.</param>
public sealed record OperationLine(string Path)
{
    /// <summary>A thing that is there: what stands for {id} and its like, in the order of path and <see cref="Query"/>.</summary>
    public Func<Task<string[]>> Thing { get; init; } = () => Task.FromResult(Array.Empty<string>());
    /// <summary>A query the operation cannot do without.</summary>
    public string Query { get; init; } = "";
    /// <summary>Sent in place of the document's example.</summary>
    public string? Body { get; init; }
    /// <summary>Somebody who may do it.</summary>
    public required Func<Operation, HttpClient> Party { get; init; }
    /// <summary>Somebody with a good token who has nothing to do with the thing.</summary>
    public HttpClient? Stranger { get; init; }
    /// <summary>What a stranger gets: 404 and a row in the audit, unless the line says otherwise; then nothing of the thing.</summary>
    public int ForStranger { get; init; } = 404;
    /// <summary>Somebody of the right institution with a role that may not; null where every role may.</summary>
    public HttpClient? WrongRole { get; init; }

    public bool Covers(Operation operation) => operation.Name == Path || operation.Path == Path
        || operation.Path.StartsWith(Path + "/", StringComparison.Ordinal);
}
