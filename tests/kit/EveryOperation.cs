using System.Net.Http.Headers;
using System.Text.Json;
using System.Text.Json.Nodes;
using FluentAssertions;
using Xunit;

namespace TestKit;

/// <summary>Names the service whose document a class of tests is made of.</summary>
public interface IOperationsOf
{
    static abstract string Service { get; }
}

/// <summary>
/// Made from the OpenAPI document: calls every operation without a token, with a stranger's, with a wrong role's, with
/// a broken body, and finds the documented answer. An operation that is added later is called as well; one that stands
/// in no line of the service's table fails.
/// </summary>
public abstract class EveryOperation<TService> where TService : IOperationsOf
{
    private static readonly Dictionary<string, Operation> Described = Operation.Of(TService.Service).ToDictionary(o => o.Name);

    public static TheoryData<string> Operations => Those(_ => true);
    public static TheoryData<string> WithToken => Those(o => o.NeedsToken);
    public static TheoryData<string> WithBody => Those(o => o.NeedsToken && o.TakesBody && o.MediaType == "application/json");
    public static TheoryData<string> WithQuery => Those(o => o.Query.Any());

    private static TheoryData<string> Those(Func<Operation, bool> which) => [.. Described.Values.Where(which).Select(o => o.Name)];

    protected abstract TestDatabase Database { get; }
    protected abstract HttpClient Anonymous { get; }
    /// <summary>Condition of the rows of <c>audit</c> that stand for a refused asker.</summary>
    protected abstract string Denied { get; }
    protected abstract IReadOnlyList<OperationLine> Table { get; }

    [Fact]
    public void Every_operation_stands_in_the_table_and_every_line_is_about_one()
    {
        foreach (var operation in Described.Values.Where(o => o.NeedsToken))
            Line(operation).Should().NotBeNull("{0} needs a line that says whose things it is about", operation);
        foreach (var line in Lines)
            Described.Values.Should().Contain(o => o.NeedsToken && Line(o) == line, "the line of {0} speaks for somebody", line.Path);
    }

    [Fact]
    public void Whoever_asks_needs_a_token_but_for_the_catalogue() =>
        Described.Values.Where(o => !o.NeedsToken).Select(o => o.Name).Should().BeSubsetOf(WithoutToken);

    /// <summary>The operations that anybody may call.</summary>
    protected virtual IReadOnlyCollection<string> WithoutToken => ["get /v1/problems"];

    [Theory, MemberData(nameof(WithToken))]
    public async Task Without_a_usable_token_it_answers_401(string name)
    {
        var operation = Described[name];
        using var nobody = Anonymous;
        await Refused(operation, nobody, operation.Request(await Things(operation), Line(operation)!.Query, Line(operation)!.Body), 401, "unauthenticated");
        nobody.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", "eyJhbGciOiJub25lIn0.e30.");
        await Refused(operation, nobody, operation.Request(await Things(operation), Line(operation)!.Query, Line(operation)!.Body), 401, "unauthenticated");
    }

    [Theory, MemberData(nameof(WithToken))]
    public async Task A_stranger_finds_nothing(string name)
    {
        var operation = Described[name];
        var line = Line(operation)!;
        if (line.Stranger is not { } stranger)
            return;
        var things = await Things(operation);
        if (line.ForStranger == 404)
        {
            var before = await Count($"audit where {Denied}");
            await Refused(operation, stranger, operation.Request(things, line.Query, line.Body), 404, "not-found");
            (await Count($"audit where {Denied}") - before).Should().Be(1, "an asker who got nothing leaves a row: {0}", operation);
            return;
        }
        var (status, body) = await Ask(operation, stranger, operation.Request(things, line.Query, line.Body));
        status.Should().Be(line.ForStranger, "{0} answered {1}", operation, body);
        foreach (var thing in things)
            body.Should().NotContain(thing, "{0} is not the stranger's", operation);
    }

    [Theory, MemberData(nameof(WithToken))]
    public async Task A_wrong_role_is_refused_with_403(string name)
    {
        var operation = Described[name];
        var line = Line(operation)!;
        if (line.WrongRole is { } wrong)
            await Refused(operation, wrong, operation.Request(await Things(operation), line.Query, line.Body), 403, "forbidden");
    }

    [Theory, MemberData(nameof(WithBody))]
    public async Task A_broken_body_is_refused_and_what_is_wrong_is_named(string name)
    {
        var operation = Described[name];
        (string Body, string Type, int Status, string? Pointer)[] broken =
        [
            ("{\"status\":\"Completed\"}", "application/json", 400, "/status"),
            ("[]", "application/json", 400, ""),
            ("{\"a\":", "application/json", 400, null),
            ("{\"\\ud800\":1}", "application/json", 400, null),
            (string.Concat(Enumerable.Repeat("{\"a\":", 200)) + "1" + new string('}', 200), "application/json", 400, null),
            ("{}", "text/plain", 415, null),
            ("{}", "application/json; charset=gbk", 415, null),
            ("{\"a\":\"" + new string('x', 300_000) + "\"}", "application/json", 413, null),
        ];
        var line = Line(operation)!;
        var things = await Things(operation);
        foreach (var (body, type, status, pointer) in broken)
        {
            var problem = await Refused(operation, line.Party(operation), operation.Request(things, line.Query, body, type), status);
            if (pointer is not null)
                problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be(pointer, "{0}", operation);
        }
    }

    [Theory, MemberData(nameof(WithBody))]
    public async Task A_member_of_the_wrong_type_is_refused_and_named(string name)
    {
        var operation = Described[name];
        var line = Line(operation)!;
        var things = await Things(operation);
        if ((line.Body ?? operation.Example) is not { } example)
            return;
        foreach (var member in JsonNode.Parse(example)!.AsObject().Select(m => m.Key).ToArray())
        {
            var body = JsonNode.Parse(example)!.AsObject();
            body[member] = body[member] is JsonObject or JsonArray ? 7 : new JsonObject { ["no"] = new JsonArray(1) };
            var problem = await Refused(operation, line.Party(operation), operation.Request(things, line.Query, body.ToJsonString()), 400);
            problem.GetProperty("errors")[0].GetProperty("pointer").GetString().Should().StartWith("/" + member, "{0}", operation);
        }
    }

    [Theory, MemberData(nameof(WithBody))]
    public async Task A_command_without_a_key_is_refused_with_400(string name)
    {
        var operation = Described[name];
        if (!operation.Needs("Idempotency-Key"))
            return;
        var line = Line(operation)!;
        var request = operation.Request(await Things(operation), line.Query, line.Body);
        request.Headers.Remove("Idempotency-Key");
        (await Refused(operation, line.Party(operation), request, 400)).GetRawText().Should().Contain("Idempotency-Key");
    }

    [Theory, MemberData(nameof(WithBody))]
    public async Task A_move_says_what_it_saw(string name)
    {
        var operation = Described[name];
        if (!operation.Needs("If-Match"))
            return;
        var line = Line(operation)!;
        var things = await Things(operation);
        foreach (var (seen, status) in new[] { (null, 428), ("\"999999\"", 412) })
        {
            var request = operation.Request(things, line.Query, line.Body);
            request.Headers.Remove("If-Match");
            if (seen is not null)
                request.Headers.TryAddWithoutValidation("If-Match", seen);
            await Refused(operation, line.Party(operation), request, status);
        }
    }

    [Theory, MemberData(nameof(WithQuery))]
    public async Task Nonsense_in_the_query_is_refused_or_taken_literally(string name)
    {
        var operation = Described[name];
        var line = Line(operation);
        var things = await Things(operation);
        foreach (var parameter in operation.Query)
            foreach (var value in new[] { "' OR 1=1 --", "%", "\0", "-1", "😀\u202e", new string('x', 5000) })
            {
                var query = (line?.Query is { Length: > 0 } given && !given.Contains(parameter + "=", StringComparison.Ordinal) ? given + "&" : "?")
                    + $"{parameter}={Uri.EscapeDataString(value)}";
                var (status, body) = await Ask(operation, line?.Party(operation) ?? Anonymous, operation.Request(things, query, line?.Body));
                status.Should().BeOneOf([200, 201, 400, 404, 422], "{0}?{1}={2} answered {3}", operation, parameter, value, body);
            }
    }

    [Theory, MemberData(nameof(WithToken))]
    public async Task Whoever_may_gets_a_documented_answer(string name)
    {
        var operation = Described[name];
        var line = Line(operation)!;
        var (status, body) = await Ask(operation, line.Party(operation), operation.Request(await Things(operation), line.Query, line.Body));
        status.Should().NotBe(401).And.NotBe(403).And.NotBe(404, "{0} answered {1}", operation, body);
    }

    // more than a pool has connections: who holds one while he waits for another would let all others wait
    private const int Crowd = 40;

    [Theory, MemberData(nameof(WithToken))]
    public async Task A_crowd_is_answered(string name)
    {
        var operation = Described[name];
        var line = Line(operation)!;
        var things = await Things(operation);
        async Task<int[]> All(HttpClient caller) =>
            [.. (await Task.WhenAll(Enumerable.Range(0, Crowd).Select(_ => Ask(operation, caller, operation.Request(things, line.Query, line.Body))))).Select(a => a.Status)];

        if (line.Stranger is { } stranger)
            (await All(stranger)).Should().AllBeEquivalentTo(line.ForStranger, "{0}", operation);
        if (operation.Method == "get")
            (await All(line.Party(operation))).Should().OnlyContain(status => status < 500, "{0}", operation);
    }

    /// <summary>Expects this refusal, as a problem of the catalogue, with nothing stored.</summary>
    protected async Task<JsonElement> Refused(Operation operation, HttpClient caller, HttpRequestMessage request, int expected, string? code = null)
    {
        var before = await Count("idempotency_key");
        var (status, body) = await Ask(operation, caller, request);
        status.Should().Be(expected, "{0} answered {1}", operation, body);
        var problem = JsonDocument.Parse(body).RootElement;
        problem.GetProperty("status").GetInt32().Should().Be(expected);
        problem.GetProperty("code").GetString().Should().Be(code ?? problem.GetProperty("code").GetString(), "{0}", operation);
        problem.GetProperty("detail").GetString().Should().NotBeNullOrEmpty("{0}", operation);
        (await Count("idempotency_key")).Should().Be(before, "nothing is stored of a refused {0}", operation);
        return problem;
    }

    /// <summary>Asks, and holds the answer against the document: never a 500, never a status that nobody was told of.</summary>
    protected static async Task<(int Status, string Body)> Ask(Operation operation, HttpClient caller, HttpRequestMessage request)
    {
        using var answer = await caller.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        // a stream of events has no end
        var body = answer.Content.Headers.ContentType?.MediaType == "text/event-stream" ? "" : await answer.Content.ReadAsStringAsync();
        var status = (int)answer.StatusCode;
        status.Should().NotBe(500, "{0} answered {1}", operation, body);
        operation.Answers.Should().Contain(status.ToString(), "{0} answered {1}", operation, body);
        if (status >= 400)
            answer.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json", "{0}", operation);
        if (status == 401)
            answer.Headers.WwwAuthenticate.Should().NotBeEmpty("{0}", operation);
        return (status, body);
    }

    private OperationLine? Line(Operation operation) => Lines.Where(l => l.Covers(operation))
        .OrderByDescending(l => l.Path == operation.Name).ThenByDescending(l => l.Path.Length).FirstOrDefault();

    private IReadOnlyList<OperationLine> Lines => _lines ??= Table;
    private IReadOnlyList<OperationLine>? _lines;

    private Task<string[]> Things(Operation operation) => Line(operation) is { } line ? line.Thing() : Task.FromResult(Array.Empty<string>());

    private async Task<long> Count(string what) => (await Database.Query<long>("select count(*) from " + what)).Single();
}
