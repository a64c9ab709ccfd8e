using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Referrals.Contracts;

namespace NotificationService.Tests;

[Collection("service")]
public sealed class DeliveryTests(Service service)
{
    internal static async Task<JsonElement[]> Attempts(HttpClient owner, string endpoint) =>
        [.. (await owner.GetAsync($"/v1/endpoints/{endpoint}/attempts?limit=500").Json()).GetProperty("items").EnumerateArray()];

    [Fact]
    public async Task Every_event_arrives_once_signed_with_the_bytes_it_was_published_with()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var (_, secret) = await service.As(referral.Receiver).Listens(receiver.Url);
        var story = referral.Story();
        await service.Publish(story);
        await receiver.Has(4, "the story");
        receiver.Requests.Select(r => r.Body).Should().BeEquivalentTo(story.Select(e => e.Body));
        receiver.Requests.Select(r => r.Id).Should().OnlyHaveUniqueItems();
        receiver.Requests.Should().OnlyContain(r => SignatureTests.Verifies(r, secret))
            .And.OnlyContain(r => r.ContentType == "application/cloudevents+json; charset=utf-8")
            .And.OnlyContain(r => Math.Abs(r.Timestamp - DateTimeOffset.UtcNow.ToUnixTimeSeconds()) < 60);
    }

    [Fact]
    public async Task A_flipped_byte_an_old_timestamp_and_another_endpoints_secret_do_not_verify()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var (_, secret) = await service.As(referral.Receiver).Listens(receiver.Url);
        var (_, another) = await service.As(referral.Receiver).Listens(receiver.Url + "/other", ["scheduling.*"]);
        await service.Publish(referral.Next("submitted"));
        await receiver.Has(1, "the event");
        var received = receiver.Requests.Single();
        SignatureTests.Verifies(received, secret).Should().BeTrue();
        SignatureTests.Verifies(received, another).Should().BeFalse();
        SignatureTests.Verifies(received with { Body = received.Body.Replace("Routine", "Urgent") }, secret).Should().BeFalse();
        SignatureTests.Verifies(received with { Timestamp = received.Timestamp - 600 }, secret).Should().BeFalse();
        SignatureTests.Verifies(received with { Id = Guid.NewGuid().ToString() }, secret).Should().BeFalse();
    }

    [Fact]
    public async Task An_endpoint_receives_what_it_asked_for_and_only_of_its_own_institution()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        await service.As(referral.Sender).Listens(receiver.Url, ["referral.up.accepted", "referral.down.*"]);
        await service.Publish(A.Referral().Story());
        await service.Publish(referral.Story());
        await receiver.Has(1, "accepted");
        await Task.Delay(300);
        receiver.Requests.Should().ContainSingle().Which.Event.GetProperty("subject").GetString().Should().Be(referral.No);
    }

    [Fact]
    public async Task A_webhook_to_an_institution_that_only_acted_is_masked_and_signed_as_it_is_sent()
    {
        await using var receiver = await Receiver.Start();
        var office = A.Institution();
        var (_, secret) = await service.As(office).Listens(receiver.Url);
        await service.Publish(A.Referral().Next("submitted", f => f with { Department = "15", Institution = office }));
        await receiver.Has(1, "the event");
        var received = receiver.Requests.Single();
        received.Event.GetProperty("data").TryGetProperty("department", out _).Should().BeFalse();
        SignatureTests.Verifies(received, secret).Should().BeTrue();
    }

    [Fact]
    public async Task A_test_ping_is_sent_like_every_message_and_its_attempt_is_kept()
    {
        await using var receiver = await Receiver.Start();
        receiver.Behaviour = (http, _) => Receiver.Answer(http, 200, new string('好', 2000));
        var owner = service.As(A.Institution());
        var (id, secret) = await owner.Listens(receiver.Url);
        var answer = await owner.Command($"/v1/endpoints/{id}/test");
        answer.StatusCode.Should().Be(HttpStatusCode.Accepted);
        var message = (await answer.Json()).GetProperty("messageId").GetString();
        await receiver.Has(1, "the ping");
        var ping = receiver.Requests.Single();
        ping.Id.Should().Be(message);
        ping.Type.Should().Be(NotificationEvents.Test);
        SignatureTests.Verifies(ping, secret).Should().BeTrue();

        var attempt = await Eventually.Get(async () => await Attempts(owner, id) is [var one] ? one : (JsonElement?)null, "the attempt is listed");
        attempt!.Value.GetProperty("messageId").GetString().Should().Be(message);
        attempt.Value.GetProperty("status").GetInt32().Should().Be(200);
        attempt.Value.GetProperty("durationMs").GetInt32().Should().BeInRange(0, 10_000);
        attempt.Value.GetProperty("messageState").GetString().Should().Be("Delivered");
        attempt.Value.GetProperty("answer").GetString()!.Length.Should().BeInRange(300, 400, "of the answer the first kB is kept");
    }

    [Fact]
    public async Task A_redirect_is_a_failure_and_is_not_followed()
    {
        await using var elsewhere = await Receiver.Start();
        await using var receiver = await Receiver.Start();
        receiver.Behaviour = (http, _) =>
        {
            http.Response.Headers.Location = elsewhere.Url;
            return Receiver.Answer(http, 307);
        };
        var owner = service.As(A.Institution());
        var (id, _) = await owner.Listens(receiver.Url);
        await owner.Command($"/v1/endpoints/{id}/test");
        await Eventually.Is(async () => (await Attempts(owner, id)).Any(a => a.GetProperty("failure").GetString() == "redirect"), "the redirect is recorded");
        elsewhere.Requests.Should().BeEmpty();
    }

    [Fact]
    public async Task A_receiver_that_is_gone_is_disabled_and_its_owner_is_told()
    {
        await using var receiver = await Receiver.Start();
        receiver.Behaviour = (http, _) => Receiver.Answer(http, 410);
        await using var other = await Receiver.Start();
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(receiver.Url);
        await owner.Listens(other.Url, ["endpoint.*"]);
        await service.Publish(referral.Next("submitted"));
        await Eventually.Is(async () => await owner.StateOf(id) == "Disabled", "410 disables");
        (await owner.GetAsync($"/v1/endpoints/{id}").Json()).GetProperty("disabledReason").GetString().Should().Be("Gone");
        await other.Has(1, "the owner's other endpoint is told");
        other.Requests.Single().Event.GetProperty("data").GetProperty("endpointId").GetString().Should().Be(id);
        (await owner.GetStringAsync("/v1/events")).Should().Contain("endpoint.disabled");

        await service.Publish(referral.Next("accepted"));
        await Task.Delay(300);
        receiver.Requests.Should().ContainSingle("nothing more is sent");
    }

    [Fact]
    public async Task What_waits_for_a_paused_endpoint_is_delivered_in_order_when_it_is_resumed()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(receiver.Url, inOrder: true);
        await owner.Command($"/v1/endpoints/{id}/pause");
        var story = referral.Story(8);
        await service.Publish(story);
        await service.Logged(story[7]);
        await Task.Delay(700);
        receiver.Requests.Should().BeEmpty();
        await owner.Command($"/v1/endpoints/{id}/resume");
        await receiver.Has(8, "everything that waited");
        receiver.Sequences.Should().Equal(1, 2, 3, 4, 5, 6, 7, 8);
    }

    [Fact]
    public async Task Nothing_more_is_sent_to_a_deleted_endpoint()
    {
        await using var receiver = await Receiver.Start();
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        var (id, _) = await owner.Listens(receiver.Url);
        await owner.Command($"/v1/endpoints/{id}/pause");
        var submitted = referral.Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
        await owner.DeleteAsync($"/v1/endpoints/{id}");
        var accepted = referral.Next("accepted");
        await service.Publish(accepted);
        await service.Logged(accepted);
        await Task.Delay(700);
        receiver.Requests.Should().BeEmpty();
    }

    [Fact]
    public async Task Receivers_that_hang_on_every_worker_there_is_delay_nobody_else()
    {
        await using var bad = await Receiver.Start();
        await using var good = await Receiver.Start();
        bad.Behaviour = (http, _) => BadReceiverTests.Hang(http);
        var referral = A.Referral();
        var owner = service.As(referral.Sender);
        for (var i = 0; i < 20; i++)
            await owner.Listens($"{bad.Url}/{i}");
        await service.As(referral.Receiver).Listens(good.Url);
        for (var i = 1; i <= 20; i++)
        {
            await service.Publish(referral.Next("note-added"));
            await good.Has(i, "the good receiver goes on");
        }
        bad.Requests.Count.Should().BeGreaterThan(200, "they hold every shared worker");
    }
}
