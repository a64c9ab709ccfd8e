using System.Net;
using System.Text;
using System.Text.Json;

namespace NotificationService.Tests;

/// <summary>An endpoint is changed in place: its secret, what waits for it and what it was tried with stay.</summary>
[Collection("service")]
public sealed class ChangeEndpointTests(Service service) : IAsyncLifetime
{
    private Receiver _old = null!, _new = null!;

    public async Task InitializeAsync() => (_old, _new) = (await Receiver.Start(), await Receiver.Start());

    public async Task DisposeAsync()
    {
        await _old.DisposeAsync();
        await _new.DisposeAsync();
    }

    private static async Task<HttpResponseMessage> Changes(HttpClient owner, string id, string body, string? etag = "*", string? key = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Patch, $"/v1/endpoints/{id}") { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.Add("Idempotency-Key", key ?? Guid.NewGuid().ToString());
        if (etag is not null)
            request.Headers.TryAddWithoutValidation("If-Match", etag);
        return await owner.SendAsync(request);
    }

    [Fact]
    public async Task What_waits_goes_to_the_new_address_under_the_same_secret()
    {
        _old.Behaviour = (http, _) => Receiver.Answer(http, 500);
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, secret) = await owner.Listens(_old.Url);
        await service.Publish(referral.Story(2));
        await Eventually.Is(() => Task.FromResult(_old.Requests.Count >= 2), "both are tried at the old address");

        var changed = await Changes(owner, id, JsonSerializer.Serialize(new { url = _new.Url }));
        changed.StatusCode.Should().Be(HttpStatusCode.OK);
        await _new.Has(2, "what waited is due at the new address at once");
        _new.Requests.Should().OnlyContain(r => SignatureTests.Verifies(r, secret));
        _new.Requests.Select(r => r.Id).Should().BeEquivalentTo(_old.Requests.Select(r => r.Id).Distinct(), "they are the same messages");
        (await service.Database.Query<string>("select action from audit where target = @id order by id", new { id })).Should().Equal("endpoint.create", "endpoint.change-url");
    }

    [Fact]
    public async Task New_filters_hold_for_events_from_now_on()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(_new.Url);
        var story = referral.Story(3);
        await service.Publish(story[0]);
        await _new.Has(1, "all types at first");
        (await Changes(owner, id, $$"""{"types":["referral.up.note-added"]}""")).StatusCode.Should().Be(HttpStatusCode.OK);
        await service.Publish(story[1], story[2], referral.Next("note-added"));
        await _new.Has(2, "then the chosen type only");
        _new.Taken.Last().Type.Should().Be("referral.up.note-added");
        await Task.Delay(300);
        _new.Taken.Should().HaveCount(2);
    }

    [Fact]
    public async Task What_is_left_out_stays_and_null_takes_away()
    {
        var owner = service.As(A.Institution());
        var created = await (await owner.Command("/v1/endpoints", new { url = _new.Url, description = "HIS", types = new[] { "referral.up.*" }, direction = "Up", departments = new[] { "03" }, inOrder = true })).Json();
        var id = created.GetProperty("id").GetString()!;
        var after = await (await Changes(owner, id, """{"description":null,"direction":null,"departments":[]}""")).Json();
        after.TryGetProperty("description", out _).Should().BeFalse();
        after.TryGetProperty("direction", out _).Should().BeFalse();
        after.GetProperty("departments").GetArrayLength().Should().Be(0);
        after.GetProperty("types")[0].GetString().Should().Be("referral.up.*");
        after.GetProperty("inOrder").GetBoolean().Should().BeTrue();
        after.GetProperty("url").GetString().Should().Be(_new.Url);
        after.TryGetProperty("secret", out _).Should().BeFalse();
    }

    [Theory]
    [InlineData("""{"url":"http://169.254.169.254/latest/meta-data"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"url":"http://2130706434/"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"url":"https://[fd00:ec2::254]/"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"url":"https://no-such-host.invalid/"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"url":"http://223.5.5.5/"}""", HttpStatusCode.UnprocessableEntity)]
    [InlineData("""{"url":null}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"url":"file:///etc/passwd"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"types":["referral.up.acepted"]}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"state":"Active"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"secret":"whsec_mine"}""", HttpStatusCode.BadRequest)]
    public async Task A_change_is_held_to_what_a_creation_is(string body, HttpStatusCode status)
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(_new.Url);
        var before = await owner.GetStringAsync($"/v1/endpoints/{id}");
        (await Changes(owner, id, body)).StatusCode.Should().Be(status);
        (await owner.GetStringAsync($"/v1/endpoints/{id}")).Should().Be(before);
    }

    [Fact]
    public async Task Of_two_who_saw_the_same_one_changes_it()
    {
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(_new.Url);
        var seen = (await owner.GetAsync($"/v1/endpoints/{id}")).Headers.ETag!.Tag;
        (await Changes(owner, id, """{"description":"a"}""", null)).StatusCode.Should().Be(HttpStatusCode.PreconditionRequired);
        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Changes(owner, id, $$"""{"description":"{{i}}"}""", seen)));
        answers.Count(a => a.StatusCode == HttpStatusCode.OK).Should().Be(1);
        answers.Where(a => a.StatusCode != HttpStatusCode.OK).Should().OnlyContain(a => a.StatusCode == HttpStatusCode.PreconditionFailed);

        var key = Guid.NewGuid().ToString();
        var first = await Changes(owner, id, """{"description":"last"}""", "*", key);
        var again = await Changes(owner, id, """{"description":"last"}""", "*", key);
        again.Headers.GetValues("Idempotency-Replayed").Should().Equal("true");
        again.Headers.ETag.Should().Be(first.Headers.ETag);
    }

    [Fact]
    public async Task Who_gives_up_the_order_gets_at_once_what_stood_behind_a_failed_message()
    {
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        _old.Behaviour = (http, _) => Receiver.Answer(http, 500);
        var (id, _) = await owner.Listens(_old.Url, inOrder: true);
        await service.Publish(referral.Story(3));
        await Eventually.Is(async () => await service.Count("message where endpoint_id = @id::uuid and due_at > now() + interval '2 seconds'", new { id }) == 3, "the first failed, and the others wait with it");
        _old.Behaviour = (http, request) => Receiver.Answer(http, request.Sequence == 1 ? 500 : 204);

        (await Changes(owner, id, """{"inOrder":false}""")).StatusCode.Should().Be(HttpStatusCode.OK);

        await _old.Has(2, "they went past it");
        _old.Sequences.Should().BeEquivalentTo([2L, 3L]);
    }
}
