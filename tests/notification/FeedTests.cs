using System.Net;
using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;

namespace NotificationService.Tests;

[Collection("service")]
public sealed class FeedTests(Service service)
{
    private static async Task<(JsonElement[] Events, string Next, HttpResponseMessage Answer)> Read(HttpClient reader, string? after = null, int? limit = null)
    {
        var answer = await reader.GetAsync("/v1/events?" + (after is null ? "" : "after=" + after) + (limit is null ? "" : "&limit=" + limit));
        answer.StatusCode.Should().Be(HttpStatusCode.OK, await answer.Content.ReadAsStringAsync());
        var page = await answer.Json();
        return ([.. page.GetProperty("items").EnumerateArray()], page.GetProperty("next").GetString()!, answer);
    }

    private static string[] Types(JsonElement[] events) => [.. events.Select(e => ReferralEvents.NameOf(e.GetProperty("type").GetString()!))];

    [Fact]
    public async Task An_event_reaches_both_parties_with_the_bytes_it_was_published_with()
    {
        var referral = A.Referral();
        var submitted = referral.Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
        foreach (var party in new[] { referral.Sender, referral.Receiver })
            (await Read(service.As(party, "Clinician"))).Events.Should().ContainSingle().Which.GetRawText().Should().Be(submitted.Body);
    }

    [Fact]
    public async Task The_feed_shows_nothing_of_another_institution()
    {
        var referral = A.Referral();
        var submitted = referral.Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
        foreach (var role in new[] { "Clinician", "Machine", "AllianceOffice", "Insurer", "Regulator", "Auditor", "Operator" })
            (await Read(service.As(A.Institution(), role))).Events.Should().BeEmpty("{0} sees what its institution is a party of", role);
    }

    [Fact]
    public async Task The_receiver_that_a_redirect_left_behind_hears_of_the_redirect_and_of_nothing_after_it()
    {
        var first = A.Institution();
        var referral = A.Referral();
        TestEvent[] story =
        [
            referral.Next("submitted", f => f with { Receiver = first }),
            referral.Next("redirected", f => f with { PreviousReceiver = first, Leg = 2 }),
            referral.Next("accepted", f => f with { Leg = 2 }),
        ];
        await service.Publish(story);
        await service.Logged(story[2]);
        Types((await Read(service.As(first))).Events).Should().Equal("submitted", "redirected");
        Types((await Read(service.As(referral.Receiver))).Events).Should().Equal("redirected", "accepted");
    }

    [Fact]
    public async Task Capacity_reaches_the_institution_it_belongs_to()
    {
        var hospital = A.Institution();
        var capacity = A.Capacity(hospital);
        await service.Publish(capacity);
        await service.Logged(capacity);
        (await Read(service.As(hospital))).Events.Should().ContainSingle();
        (await Read(service.As(A.Institution()))).Events.Should().BeEmpty();
    }

    [Fact]
    public async Task An_event_delivered_five_times_stands_in_the_log_once()
    {
        var referral = A.Referral();
        var submitted = referral.Next("submitted");
        for (var i = 0; i < 5; i++)
            await service.Publish(submitted);
        await service.Publish(submitted, submitted, submitted);
        var accepted = referral.Next("accepted");
        await service.Publish(accepted);
        await service.Logged(accepted);
        Types((await Read(service.As(referral.Sender))).Events).Should().Equal("submitted", "accepted");
        (await service.Count("inbox where message_id = @Id", new { submitted.Id })).Should().Be(1);
    }

    [Fact]
    public async Task An_event_waits_for_the_one_before_it()
    {
        var referral = A.Referral();
        var story = referral.Story(4);
        await service.Publish(story[1], story[3], story[2]);
        await Eventually.Is(async () => await service.Count("arrival where referral_id = @Id and hold_until is not null", new { referral.Id }) == 3, "three are held");
        (await Read(service.As(referral.Sender))).Events.Should().BeEmpty();
        await service.Publish(story[0]);
        await service.Logged(story[3]);
        Types((await Read(service.As(referral.Sender))).Events).Should().Equal("submitted", "triage-started", "accepted", "scheduled");
        (await service.Count("arrival where referral_id = @Id", new { referral.Id })).Should().Be(0);
    }

    [Fact]
    public async Task A_gap_holds_up_no_other_referral()
    {
        var stuck = A.Referral();
        await service.Publish(stuck.Story(3)[2]);
        var other = A.Referral();
        var submitted = other.Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
    }

    [Fact]
    public async Task Following_the_cursor_reads_everything_once_and_in_order()
    {
        var referral = A.Referral();
        var story = referral.Story(7);
        await service.Publish(story);
        await service.Logged(story[6]);
        var reader = service.As(referral.Receiver);
        var (read, cursor) = (new List<JsonElement>(), (string?)null);
        for (var page = 0; page < 4; page++)
        {
            var (events, next, answer) = await Read(reader, cursor, 2);
            events.Length.Should().BeLessThanOrEqualTo(2);
            answer.Headers.GetValues("Link").Should().Equal($"</v1/events?after={next}&limit=2>; rel=\"next\"");
            read.AddRange(events);
            cursor = next;
        }
        read.Select(e => e.GetProperty("sequence").GetString()).Should().Equal("1", "2", "3", "4", "5", "6", "7");
    }

    [Fact]
    public async Task The_cursor_stays_the_same_while_nothing_is_new()
    {
        var referral = A.Referral();
        var reader = service.As(referral.Sender);
        var empty = await Read(reader);
        (await Read(reader, empty.Next)).Next.Should().Be(empty.Next);
        var submitted = referral.Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
        var first = await Read(reader, empty.Next);
        first.Events.Should().ContainSingle();
        var second = await Read(reader, first.Next);
        second.Events.Should().BeEmpty();
        second.Next.Should().Be(first.Next);
        var accepted = referral.Next("accepted");
        await service.Publish(accepted);
        await service.Logged(accepted);
        Types((await Read(reader, second.Next)).Events).Should().Equal("accepted");
    }

    [Fact]
    public async Task An_unchanged_page_is_answered_with_304()
    {
        var reader = service.As(A.Institution());
        var (_, next, answer) = await Read(reader);
        reader.DefaultRequestHeaders.IfNoneMatch.Add(answer.Headers.ETag!);
        (await reader.GetAsync("/v1/events")).StatusCode.Should().Be(HttpStatusCode.NotModified);
        (await reader.GetAsync("/v1/events?after=" + next)).StatusCode.Should().Be(HttpStatusCode.NotModified, "the same bytes are the same page");
    }

    [Fact]
    public async Task An_event_that_commits_late_is_not_skipped()
    {
        var hospital = A.Institution();
        var reader = service.As(hospital);
        await using var slow = new NpgsqlConnection(service.Database.Super);
        await slow.OpenAsync();
        await using var transaction = await slow.BeginTransactionAsync();
        await slow.ExecuteAsync("""
            insert into arrival (event_id, type, occurred_at, institution, sensitive, body)
            values (gen_random_uuid(), 'scheduling.capacity-changed', now(), @hospital, false, '{"id":"slow"}')
            """, new { hospital }, transaction);
        var quick = A.Capacity(hospital);
        await service.Publish(quick);
        await service.Logged(quick);
        var (events, next, _) = await Read(reader);
        events.Should().ContainSingle();
        await transaction.CommitAsync();
        await Eventually.Is(async () => (await Read(reader, next)).Events.Length == 1, "the slow one comes after the cursor");
    }

    [Theory]
    [InlineData("x")]
    [InlineData("AAAA")]
    [InlineData("%00%00")]
    [InlineData("' OR 1=1 --")]
    [InlineData("💊")]
    public async Task A_cursor_of_nobody_is_refused_with_400(string cursor)
    {
        var answer = await service.As(A.Institution()).GetAsync("/v1/events?after=" + Uri.EscapeDataString(cursor));
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("after");
    }

    [Fact]
    public async Task A_changed_cursor_and_one_of_another_institution_are_refused_with_400()
    {
        var (_, next, _) = await Read(service.As(A.Institution()));
        (await service.As(A.Institution()).GetAsync("/v1/events?after=" + next)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
        var institution = A.Institution();
        var mine = (await Read(service.As(institution))).Next;
        var changed = (mine[0] == 'A' ? 'B' : 'A') + mine[1..];
        (await service.As(institution).GetAsync("/v1/events?after=" + changed)).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("ten")]
    [InlineData("99999999999")]
    [InlineData("1e3")]
    public async Task A_limit_that_is_no_page_size_is_refused_with_400(string limit)
    {
        var answer = await service.As(A.Institution()).GetAsync("/v1/events?limit=" + limit);
        answer.StatusCode.Should().Be(HttpStatusCode.BadRequest);
        (await answer.Json()).GetProperty("errors")[0].GetProperty("pointer").GetString().Should().Be("limit");
    }

    [Fact]
    public async Task Who_only_acted_for_a_member_does_not_learn_of_a_sensitive_department()
    {
        var office = A.Institution();
        var referral = A.Referral();
        var sensitive = referral.Next("submitted", f => f with
        {
            Department = "16.02", PatientClass = PatientClass.Palliative, Institution = office, OnBehalfOf = f.Sender,
        });
        var plain = referral.Next("note-added", f => f with { Institution = office, OnBehalfOf = f.Sender });
        await service.Publish(sensitive, plain);
        await service.Logged(plain);

        var masked = (await Read(service.As(office, "AllianceOffice"))).Events;
        masked.Should().HaveCount(2);
        masked[0].GetProperty("data").TryGetProperty("department", out _).Should().BeFalse();
        masked[0].GetProperty("data").TryGetProperty("patientClass", out _).Should().BeFalse();
        masked[0].GetProperty("data").GetProperty("referralNo").GetString().Should().Be(referral.No);
        masked[1].GetRawText().Should().Be(plain.Body, "nothing in it is sensitive");
        (await Read(service.As(referral.Receiver))).Events[0].GetRawText().Should().Be(sensitive.Body, "a party reads everything");
    }

    [Fact]
    public async Task An_unknown_event_type_and_unknown_values_are_passed_on_as_they_are()
    {
        var referral = A.Referral();
        var id = Guid.CreateVersion7();
        var body = A.Envelope(id, "referral.up.teleported", referral.No, 1, new
        {
            id = referral.Id, sequence = 1, sender = referral.Sender, receiver = referral.Receiver, direction = "Sideways", priority = 7.ToString(), novelty = new[] { 1, 2 },
        });
        await service.Publish(body, "referral.up.teleported");
        await service.Logged(new(id, "referral.up.teleported", "", 1, body));
        (await Read(service.As(referral.Sender))).Events.Should().ContainSingle().Which.GetRawText().Should().Be(body);
    }

    [Fact]
    public async Task Poisoned_messages_end_in_the_error_queue_and_the_next_one_flows()
    {
        string[] poison =
        [
            "not json", "{}", "[]",
            """{"id":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a10","type":"referral.up.accepted","time":"2026-03-01T00:00:00Z","data":{}}""",
            // passes every check of ours; PostgreSQL stores no NUL
            """{"id":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a11","type":"referral.up.\u0000","time":"2026-03-01T00:00:00Z","data":{"id":"019a7d0e-6c1e-7c7e-9c1b-2f6f0f6d2a12","sequence":1,"sender":"a","receiver":"b"}}""",
        ];
        foreach (var body in poison)
            await service.Publish(body, "referral.up.accepted");
        var submitted = A.Referral().Next("submitted");
        await service.Publish(submitted);
        await service.Logged(submitted);
        await Eventually.Is(async () => await Errors() == poison.Length, "they lie in the error queue", 60);
    }

    [Fact]
    public async Task What_is_heard_while_nobody_may_write_the_log_is_stored_and_logged_afterwards()
    {
        var submitted = A.Referral().Next("submitted");
        await using (var held = new NpgsqlConnection(service.Database.Super))
        {
            await held.OpenAsync();
            await using var transaction = await held.BeginTransactionAsync();
            await held.ExecuteAsync("select pg_advisory_xact_lock(@Lock)", new { Sequencer.Lock }, transaction);
            await service.Publish(submitted);
            await Eventually.Is(async () => await service.Count("arrival where event_id = @Id", new { submitted.Id }) == 1, "it is stored");
            (await service.Count("event where event_id = @Id", new { submitted.Id })).Should().Be(0);
        }
        await service.Logged(submitted);
    }

    private async Task<long> Errors()
    {
        var queues = await Servers.Control("rabbitmqctl", "list_queues", "-q", "--no-table-headers", "-p", new Uri(service.RabbitMq).AbsolutePath[1..], "name", "messages");
        var line = queues.Split('\n').FirstOrDefault(l => l.StartsWith("notification-referral-events_error", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line.Split('\t')[1]);
    }
}
