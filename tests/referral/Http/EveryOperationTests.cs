using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using FluentAssertions;
using TestKit;
using Xunit;
using Xunit.Abstractions;

namespace ReferralService.Tests.Http;

/// <summary>Made from the OpenAPI document: no operation can be added that forgets a refusal.</summary>
[Collection("referral")]
public sealed class EveryOperationTests(ReferralHost host, ITestOutputHelper output)
{
    private sealed record Operation(string Method, string Path, JsonElement Description)
    {
        public bool IsMove => Method == "post" && Path.Contains("{id}", StringComparison.Ordinal);
        public bool IsOfReferral => Path.Contains("/v1/referrals/{id}", StringComparison.Ordinal);
        public bool TakesAFile => Body is { Name: not "application/json" };
        public string MediaType => Body?.Name ?? "application/json";
        public string? Example => Body?.Value.GetProperty("example") is not { } example ? null
            : example.ValueKind == JsonValueKind.String ? example.GetString() : example.GetRawText();
        private JsonProperty? Body => Description.TryGetProperty("requestBody", out var body) ? body.GetProperty("content").EnumerateObject().First() : null;
        public override string ToString() => $"{Method} {Path}";
    }

    private async Task<IReadOnlyList<Operation>> Operations()
    {
        var document = await host.Anonymous().GetAsync("/openapi/v1.json").Json();
        return [.. document.GetProperty("paths").EnumerateObject().SelectMany(p => p.Value.EnumerateObject()
            .Where(o => o.Value.TryGetProperty("security", out var s) && s.GetArrayLength() > 0)
            .Select(o => new Operation(o.Name, p.Name, o.Value)))];
    }

    [Fact]
    public async Task Without_a_token_every_operation_answers_401() =>
        await Each(_ => true, o => Ask(o, null, Guid.NewGuid().ToString()), HttpStatusCode.Unauthorized, "unauthenticated");

    [Fact]
    public async Task A_stranger_gets_404_from_every_operation_on_a_referral_and_leaves_an_audit_row()
    {
        var referral = await A.Submitted(host);
        var before = await Denials(referral.Id);
        var asked = await Each(o => o.IsOfReferral, o => Ask(o, host.As(ReferralHost.Stranger), referral.Id.ToString()), HttpStatusCode.NotFound, "not-found");
        await Each(o => o.IsOfReferral, o => Ask(o, host.As(ReferralHost.Stranger), referral.No), HttpStatusCode.NotFound, "not-found");
        (await Denials(referral.Id) - before).Should().Be(asked * 2);
    }

    [Fact]
    public async Task A_party_with_a_role_that_sees_no_patient_gets_403()
    {
        var referral = await A.Submitted(host);
        await Each(o => o.IsOfReferral, o => Ask(o, host.As(ReferralHost.Tertiary, "Insurer"), referral.Id.ToString()), HttpStatusCode.Forbidden, "forbidden");
    }

    [Fact]
    public async Task The_wrong_side_gets_403_from_every_move_that_is_not_its_own()
    {
        var referral = await A.Submitted(host);
        var mine = new HashSet<string>(await Sides(referral, ReferralHost.Township));
        foreach (var operation in (await Operations()).Where(o => o.IsMove))
        {
            var answer = await Ask(operation, host.As(ReferralHost.Township), referral.Id.ToString());
            if (OnlyReceiver.Contains(operation.Path.Split('/')[^1]))
                answer.StatusCode.Should().Be(HttpStatusCode.Forbidden, "{0} belongs to the receiver", operation);
        }
        mine.Should().NotIntersectWith(OnlyReceiver);
    }

    [Fact]
    public async Task A_member_that_nobody_knows_is_refused_with_400_and_named()
    {
        var referral = await A.Submitted(host);
        foreach (var operation in (await Operations()).Where(o => o.Method is "post" or "put" && !o.TakesAFile))
        {
            var answer = await Ask(operation, host.As(ReferralHost.Tertiary), referral.Id.ToString(), "{\"status\":\"Completed\"}");
            answer.StatusCode.Should().Be(HttpStatusCode.BadRequest, "{0}", operation);
            (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("/status", "{0}", operation);
        }
    }

    [Fact]
    public async Task Every_answer_that_was_seen_is_documented()
    {
        var referral = await A.Submitted(host);
        foreach (var operation in await Operations())
            foreach (var caller in new[] { null, host.As(ReferralHost.Stranger), host.As(ReferralHost.Tertiary), host.As(ReferralHost.Township) })
            {
                var answer = await Ask(operation, caller, referral.Id.ToString());
                operation.Description.GetProperty("responses").EnumerateObject().Select(r => r.Name)
                    .Should().Contain(((int)answer.StatusCode).ToString(), "{0} answered {1}", operation, await answer.Content.ReadAsStringAsync());
            }
    }

    private static readonly HashSet<string> OnlyReceiver =
    [
        "acknowledge", "claim", "assign", "release", "request-information", "withdraw-question", "accept", "decline", "advise",
        "convert", "report", "withdraw-acceptance", "no-show", "arrive", "start-treatment", "interim-note", "complete-treatment",
        "return", "refer-onward", "complete-without-return", "follow-up", "finish", "re-refer", "refuse-cancellation",
        "confirm-cancellation", "lower-priority",
    ];

    private async Task<IEnumerable<string>> Sides(A referral, string institution) =>
        (await host.As(institution).GetAsync($"/v1/referrals/{referral.Id}/available-actions").Json())
            .GetProperty("actions").EnumerateArray().Select(a => a.GetString()!);

    private async Task<int> Each(Func<Operation, bool> which, Func<Operation, Task<HttpResponseMessage>> ask, HttpStatusCode expected, string code)
    {
        var operations = (await Operations()).Where(which).ToArray();
        operations.Should().NotBeEmpty();
        foreach (var operation in operations)
        {
            using var answer = await ask(operation);
            var body = await answer.Content.ReadAsStringAsync();
            answer.StatusCode.Should().Be(expected, "{0} answered {1}", operation, body);
            answer.Content.Headers.ContentType!.MediaType.Should().Be("application/problem+json", "{0}", operation);
            JsonDocument.Parse(body).RootElement.GetProperty("code").GetString().Should().Be(code, "{0}", operation);
        }
        output.WriteLine($"{operations.Length} operations");
        return operations.Length;
    }

    private async Task<HttpResponseMessage> Ask(Operation operation, HttpClient? caller, string id, string? body = null)
    {
        var path = operation.Path.Replace("/episodes/{id}", "/episodes/" + Guid.NewGuid(), StringComparison.Ordinal).Replace("{id}", id, StringComparison.Ordinal);
        var request = new HttpRequestMessage(new HttpMethod(operation.Method.ToUpperInvariant()), path);
        if (operation.Method is "post" or "put")
        {
            request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
            request.Headers.TryAddWithoutValidation("If-Match", "*");
            request.Content = new StringContent(body ?? operation.Example ?? "{}", Encoding.UTF8, new MediaTypeHeaderValue(operation.MediaType));
        }
        return await (caller ?? host.Anonymous()).SendAsync(request);
    }

    private async Task<int> Denials(Guid referral) => (int)(await host.Database.Query<long>(
        "select count(*) from audit where referral_id = @referral and verdict = 'denied'", new { referral })).Single();
}
