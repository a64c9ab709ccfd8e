using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;

namespace NotificationService.Tests;

[Collection("service")]
public sealed class EndpointTests(Service service)
{
    private const string Url = "http://127.0.0.1:7/hooks";

    [Fact]
    public async Task Creating_an_endpoint_answers_its_secret_once()
    {
        var owner = service.As(A.Institution());
        var answer = await owner.Command("/v1/endpoints", new { url = Url, description = "HIS", types = new[] { "referral.up.*", "scheduling.capacity-changed" }, inOrder = true });
        answer.StatusCode.Should().Be(HttpStatusCode.Created);
        var created = await answer.Json();
        var secret = created.GetProperty("secret").GetString()!;
        secret.Should().StartWith("whsec_");
        Convert.FromBase64String(secret["whsec_".Length..]).Length.Should().BeInRange(24, 64);

        var detail = await owner.GetAsync(answer.Headers.Location);
        detail.Headers.ETag.Should().Be(answer.Headers.ETag);
        var read = await detail.Json();
        read.TryGetProperty("secret", out _).Should().BeFalse();
        read.GetProperty("state").GetString().Should().Be("Active");
        read.GetProperty("actions").EnumerateArray().Select(a => a.GetString()).Should().Equal("pause", "test", "rotate-secret", "resend", "replay", "delete");
        (await owner.GetStringAsync("/v1/endpoints")).Should().Contain(created.GetProperty("id").GetString()).And.NotContain("whsec_");
    }

    [Theory]
    [InlineData("/v1/endpoints", """{"url":"no address"}""", "/url")]
    [InlineData("/v1/endpoints/{0}", """{"url":"no address"}""", "/url")]
    [InlineData("/v1/endpoints/{0}/rotate-secret", """{"overlapHours":25}""", "/overlapHours")]
    [InlineData("/v1/endpoints/{0}/replay", """{"after":"no cursor"}""", "/after")]
    [InlineData("/v1/endpoints/{0}/pause", """{"why":1}""", "/why")]
    [InlineData("/v1/broker-users", """{"description":" "}""", "/description")]
    public async Task Of_all_that_is_wrong_with_a_command_the_body_is_named_first_then_the_key_then_whose_it_is(string path, string body, string pointer)
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(Url);
        async Task<(int Status, string Pointer)> Ask(HttpClient caller, string json, string? key)
        {
            var request = new HttpRequestMessage(path.EndsWith('}') ? HttpMethod.Patch : HttpMethod.Post, string.Format(path, id))
            {
                Content = new StringContent(json, Encoding.UTF8, "application/json"),
            };
            if (key is not null)
                request.Headers.Add("Idempotency-Key", key);
            var answer = await caller.SendAsync(request);
            var problem = await answer.Json();
            return ((int)answer.StatusCode, problem.TryGetProperty("errors", out var errors) ? errors[0].GetProperty("pointer").GetString()! : problem.GetProperty("code").GetString()!);
        }
        (await Ask(owner, body, null)).Should().Be((400, pointer));
        var wrongRole = service.As(A.Institution(), "Insurer");
        (await Ask(wrongRole, body, null)).Should().Be((400, pointer));
        var usable = path.EndsWith("replay") ? """{"since":"2026-03-01T00:00:00+08:00"}""" : path.EndsWith('s') ? $$"""{"{{(path.Contains("broker") ? "description" : "url")}}":"{{Url}}"}""" : "{}";
        (await Ask(wrongRole, usable, null)).Should().Be((400, "idempotency-key-missing"));
        (await Ask(wrongRole, usable, Guid.NewGuid().ToString())).Status.Should().Be(path.Contains("{0}") ? 404 : 403);
    }

    [Fact]
    public async Task The_secret_lies_in_no_table_in_plain_text()
    {
        var owner = service.As(A.Institution());
        var (_, secret) = await owner.Listens(Url);
        foreach (var table in new[] { "endpoint", "endpoint_secret", "idempotency_key", "audit" })
        {
            var rows = string.Concat(await service.Database.Query<string>($"select t::text from {table} t"));
            rows.Should().NotContain(secret["whsec_".Length..]).And.NotContain(Convert.ToHexStringLower(Secrets.KeyOf(secret)));
        }
    }

    [Fact]
    public async Task Repeating_a_creation_answers_the_same_bytes_and_creates_nothing()
    {
        var institution = A.Institution();
        var owner = service.As(institution);
        var key = Guid.NewGuid().ToString();
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => owner.Command("/v1/endpoints", new { url = Url }, key: key)));
        answers.Should().OnlyContain(a => a.StatusCode == HttpStatusCode.Created);
        (await Task.WhenAll(answers.Select(a => a.Content.ReadAsStringAsync()))).Distinct().Should().ContainSingle();
        answers.Count(a => a.Headers.Contains("Idempotency-Replayed")).Should().Be(7);
        (await service.Count("endpoint where institution = @institution", new { institution })).Should().Be(1);

        var other = await owner.Command("/v1/endpoints", new { url = Url, description = "another" }, key: key);
        other.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await other.Json()).GetProperty("code").GetString().Should().Be("idempotency-key-reused");
    }

    [Theory]
    [InlineData("http://127.0.0.2/")]
    [InlineData("http://0.0.0.0/")]
    [InlineData("http://[::1]/")]
    [InlineData("http://[::]/")]
    [InlineData("http://[::ffff:10.0.0.1]/")]
    [InlineData("http://169.254.169.254/latest/meta-data")]
    [InlineData("http://2130706434/")]
    [InlineData("http://0x7f000002/")]
    [InlineData("http://0177.0.0.2/")]
    [InlineData("http://127.2/")]
    [InlineData("http://10.1.2.3:8080/")]
    [InlineData("https://192.168.0.10/")]
    [InlineData("https://100.64.0.1/")]
    [InlineData("https://[fd00:ec2::254]/")]
    [InlineData("https://no-such-host.invalid/")]
    [InlineData("http://223.5.5.5/")]
    public async Task An_address_webhooks_may_not_go_to_is_refused_with_422(string url)
    {
        var answer = await service.As(A.Institution()).Command("/v1/endpoints", new { url });
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("code").GetString().Should().Be(url.Contains("223.5") ? "https-needed" : "address-refused");
    }

    [Theory]
    [InlineData("""{}""", "/url")]
    [InlineData("""{"url":""}""", "/url")]
    [InlineData("""{"url":7}""", "/url")]
    [InlineData("""{"url":"not a url"}""", "/url")]
    [InlineData("""{"url":"/relative"}""", "/url")]
    [InlineData("""{"url":"ftp://example.org/"}""", "/url")]
    [InlineData("""{"url":"file:///etc/passwd"}""", "/url")]
    [InlineData("""{"url":"https://user:pass@example.org/"}""", "/url")]
    [InlineData("""{"url":"https://example.org/#part"}""", "/url")]
    [InlineData("""{"url":"https://example.org/\u0000"}""", "/url")]
    [InlineData("""{"url":"https://example.org/","types":["referral.up.acepted"]}""", "/types/0")]
    [InlineData("""{"url":"https://example.org/","types":["referral.up.accepted","*"]}""", "/types/1")]
    [InlineData("""{"url":"https://example.org/","types":[null]}""", "/types/0")]
    [InlineData("""{"url":"https://example.org/","types":"referral.*"}""", "/types")]
    [InlineData("""{"url":"https://example.org/","inOrder":"yes"}""", "/inOrder")]
    [InlineData("""{"url":"https://example.org/","secret":"whsec_mine"}""", "/secret")]
    [InlineData("""{"url":"https://example.org/","institution":"other"}""", "/institution")]
    [InlineData("""{"url":"https://example.org/","url":"https://example.org/"}""", "/url")]
    public async Task A_request_that_does_not_fit_is_refused_with_400_and_a_pointer(string body, string pointer)
    {
        var answer = await Post(service.As(A.Institution()), body);
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var problem = await answer.Json();
        problem.GetProperty("code").GetString().Should().Be("malformed-request");
        problem.GetProperty("errors").EnumerateArray().Select(e => e.GetProperty("pointer").GetString()).Should().Contain(pointer);
    }

    [Theory]
    [InlineData("not json", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("[]", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("null", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("", "application/json", HttpStatusCode.BadRequest)]
    [InlineData("{}", "application/json; charset=gbk", HttpStatusCode.UnsupportedMediaType)]
    [InlineData("{}", "text/plain", HttpStatusCode.UnsupportedMediaType)]
    public async Task A_body_that_is_no_utf8_json_object_is_refused(string body, string mediaType, HttpStatusCode status) =>
        (await Post(service.As(A.Institution()), body, mediaType)).StatusCode.Should().Be(status);

    [Fact]
    public async Task A_body_above_the_limit_is_refused_with_413() =>
        (await Post(service.As(A.Institution()), $$"""{"url":"{{new string('x', 300_000)}}"}""")).StatusCode.Should().Be(HttpStatusCode.RequestEntityTooLarge);

    [Fact]
    public async Task A_post_without_an_idempotency_key_is_refused_with_400()
    {
        var answer = await service.As(A.Institution()).PostAsJsonAsync("/v1/endpoints", new { url = Url });
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Json()).GetProperty("code").GetString().Should().Be("idempotency-key-missing");
    }

    [Fact]
    public async Task A_caller_without_a_token_is_refused_with_401_before_anything_else() =>
        (await Post(service.Anonymous(), "not json")).StatusCode.Should().Be(HttpStatusCode.Unauthorized);

    [Theory]
    [InlineData("Clinician")]
    [InlineData("Registrar")]
    [InlineData("AllianceOffice")]
    [InlineData("Insurer")]
    [InlineData("Regulator")]
    [InlineData("Auditor")]
    public async Task A_role_that_does_not_answer_for_systems_is_refused_with_403(string role)
    {
        var institution = A.Institution();
        var (id, _) = await service.As(institution).Listens(Url);
        var other = service.As(institution, role);
        (await other.Command("/v1/endpoints", new { url = Url })).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        (await other.GetAsync("/v1/endpoints")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
        foreach (var (method, path) in Routes(id))
            (await Send(other, method, path)).StatusCode.Should().Be(HttpStatusCode.Forbidden, "{0} {1}", method, path);
        (await Post(other, "not json")).StatusCode.Should().Be(HttpStatusCode.BadRequest, "a body that cannot be read comes first");
    }

    [Fact]
    public async Task Another_institutions_endpoint_is_not_found_and_the_attempt_stands_in_the_audit()
    {
        var (id, _) = await service.As(A.Institution()).Listens(Url);
        var stranger = service.As(A.Institution());
        foreach (var (method, path) in Routes(id))
            (await Send(stranger, method, path)).StatusCode.Should().Be(HttpStatusCode.NotFound, "{0} {1}", method, path);
        (await stranger.GetStringAsync("/v1/endpoints")).Should().NotContain(id);
        (await service.Count("audit where target = @id and verdict = 'denied'", new { id })).Should().Be(Routes(id).Length);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("not-a-uuid")]
    [InlineData("' OR 1=1 --")]
    [InlineData("00000000-0000-0000-0000-000000000000")]
    public async Task An_endpoint_that_does_not_exist_is_not_found(string id)
    {
        foreach (var (method, path) in Routes(Uri.EscapeDataString(id)))
            (await Send(service.As(A.Institution()), method, path)).StatusCode.Should().Be(HttpStatusCode.NotFound, "{0} {1}", method, path);
    }

    [Fact]
    public async Task Pausing_and_resuming_change_the_state_and_the_tag_once()
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(Url);
        var before = (await owner.GetAsync($"/v1/endpoints/{id}")).Headers.ETag!.Tag;
        var paused = await owner.Command($"/v1/endpoints/{id}/pause", ifMatch: before);
        paused.StatusCode.Should().Be(HttpStatusCode.OK);
        (await paused.Json()).GetProperty("state").GetString().Should().Be("Paused");
        (await owner.Command($"/v1/endpoints/{id}/pause")).Headers.ETag.Should().Be(paused.Headers.ETag, "it was paused already");
        (await owner.Command($"/v1/endpoints/{id}/resume", ifMatch: before)).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed);
        (await owner.Command($"/v1/endpoints/{id}/resume", ifMatch: "*")).StatusCode.Should().Be(HttpStatusCode.OK);
        (await owner.StateOf(id)).Should().Be("Active");
        (await service.Count("audit where target = @id and verdict = 'allowed'", new { id })).Should().Be(3);
    }

    [Fact]
    public async Task Testing_a_paused_endpoint_is_refused_with_409_and_says_what_is_possible()
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(Url);
        await owner.Command($"/v1/endpoints/{id}/pause");
        var answer = await owner.Command($"/v1/endpoints/{id}/test");
        answer.StatusCode.Should().Be(HttpStatusCode.Conflict);
        var problem = await answer.Json();
        problem.GetProperty("state").GetString().Should().Be("Paused");
        problem.GetProperty("actions").EnumerateArray().Select(a => a.GetString()).Should().Equal("resume", "rotate-secret", "resend", "replay", "delete");
    }

    [Fact]
    public async Task A_deleted_endpoint_is_gone_with_its_secret()
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(Url);
        (await owner.DeleteAsync($"/v1/endpoints/{id}")).StatusCode.Should().Be(HttpStatusCode.NoContent);
        (await owner.GetAsync($"/v1/endpoints/{id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await owner.DeleteAsync($"/v1/endpoints/{id}")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await service.Count("endpoint_secret where endpoint_id = @id::uuid", new { id })).Should().Be(0);
    }

    [Fact]
    public async Task Pages_of_endpoints_hold_each_once()
    {
        var owner = service.As(A.Institution());
        var created = new List<string>();
        for (var i = 0; i < 5; i++)
            created.Add((await owner.Listens(Url)).Id);
        var (listed, path) = (new List<string>(), (string?)"/v1/endpoints?limit=2");
        while (path is not null)
        {
            var answer = await owner.GetAsync(path);
            var page = await answer.Json();
            listed.AddRange(page.GetProperty("items").EnumerateArray().Select(e => e.GetProperty("id").GetString()!));
            path = page.TryGetProperty("next", out _) ? answer.Headers.GetValues("Link").Single().Split('<', '>')[1] : null;
        }
        listed.Should().Equal(created);
    }

    [Fact]
    public async Task An_unchanged_endpoint_is_answered_with_304()
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(Url);
        owner.DefaultRequestHeaders.IfNoneMatch.Add((await owner.GetAsync($"/v1/endpoints/{id}")).Headers.ETag!);
        (await owner.GetAsync($"/v1/endpoints/{id}")).StatusCode.Should().Be(HttpStatusCode.NotModified);
        await owner.Command($"/v1/endpoints/{id}/pause");
        (await owner.GetAsync($"/v1/endpoints/{id}")).StatusCode.Should().Be(HttpStatusCode.OK);
    }

    [Fact]
    public async Task An_institution_has_at_most_so_many_endpoints()
    {
        var owner = service.As(A.Institution());
        for (var i = 0; i < 50; i++)
            await owner.Listens(Url);
        var answer = await owner.Command("/v1/endpoints", new { url = Url });
        answer.StatusCode.Should().Be(HttpStatusCode.UnprocessableEntity);
        (await answer.Json()).GetProperty("limit").GetInt32().Should().Be(50);
    }

    private static (string Method, string Path)[] Routes(string id) =>
    [
        ("GET", $"/v1/endpoints/{id}"), ("GET", $"/v1/endpoints/{id}/attempts"), ("POST", $"/v1/endpoints/{id}/pause"),
        ("POST", $"/v1/endpoints/{id}/resume"), ("POST", $"/v1/endpoints/{id}/test"),
        ("POST", $"/v1/endpoints/{id}/rotate-secret"), ("REPLAY", $"/v1/endpoints/{id}/replay"), ("POST", $"/v1/endpoints/{id}/messages/{Guid.NewGuid()}/resend"), ("DELETE", $"/v1/endpoints/{id}"),
    ];

    private static Task<HttpResponseMessage> Send(HttpClient client, string method, string path) => method switch
    {
        "POST" => client.Command(path),
        "REPLAY" => client.Command(path, new { referralId = Guid.NewGuid() }),
        "DELETE" => client.DeleteAsync(path),
        _ => client.GetAsync(path),
    };

    private static Task<HttpResponseMessage> Post(HttpClient client, string body, string mediaType = "application/json")
    {
        var content = new ByteArrayContent(Encoding.UTF8.GetBytes(body));
        content.Headers.TryAddWithoutValidation("Content-Type", mediaType);
        var request = new HttpRequestMessage(HttpMethod.Post, "/v1/endpoints") { Content = content };
        request.Headers.Add("Idempotency-Key", Guid.NewGuid().ToString());
        return client.SendAsync(request);
    }
}
