using System.Net;
using System.Text.Json;
using Dapper;
using Npgsql;
using Referrals.Contracts;

namespace NotificationService.Tests;

[Collection("service")]
public sealed class InboxTests(Service service)
{
    private async Task<JsonElement[]> Inbox(string institution, string query = "") =>
        [.. (await service.As(institution, "Clinician").GetAsync("/v1/inbox" + query).Json()).GetProperty("items").EnumerateArray()];

    private Task<JsonElement> Line(string institution, string type) => Eventually.Get(
        async () => (await Inbox(institution)).Where(i => i.GetProperty("type").GetString() == type).Cast<JsonElement?>().FirstOrDefault(), $"{type} is in the inbox").ContinueWith(t => t.Result!.Value);

    private Task Empty(string institution) => Eventually.Is(async () => (await Inbox(institution)).Length == 0, "the inbox is empty");

    private static Func<ReferralFacts, ReferralFacts> By(string institution) => f => f with { Institution = institution };

    [Fact]
    public async Task The_receiver_must_act_on_what_was_submitted_and_the_sender_has_seen_its_own_act()
    {
        var referral = A.Referral();
        await service.Publish(referral.Next("submitted"));
        var line = await Line(referral.Receiver, "referral.up.submitted");
        line.GetProperty("mustAct").GetBoolean().Should().BeTrue();
        line.GetProperty("subject").GetString().Should().Be(referral.No);
        (await Inbox(referral.Sender)).Should().BeEmpty();
        (await Inbox(A.Institution())).Should().BeEmpty();
        (await service.As(referral.Receiver, "Head").GetAsync("/v1/inbox/counts").Json()).GetProperty("mustAct").GetInt32().Should().Be(1);
    }

    [Fact]
    public async Task Both_sides_must_look_when_somebody_broke_the_glass_and_an_ordinary_addendum_is_no_line()
    {
        var referral = A.Referral();
        await service.Publish(referral.Next("addendum-added", By(referral.Receiver)));
        await service.Publish(referral.Next("addendum-added", f => f with { Institution = A.Institution(), Reason = "BREAK_GLASS" }));
        foreach (var owner in new[] { referral.Sender, referral.Receiver })
            (await Line(owner, "referral.up.addendum-added")).GetProperty("mustAct").GetBoolean().Should().BeTrue();
        var own = A.Referral();
        // also where it was one of the receiver's own people
        await service.Publish(own.Next("addendum-added", f => f with { Institution = own.Receiver, Reason = "BREAK_GLASS" }));
        await Line(own.Receiver, "referral.up.addendum-added");
        var quiet = A.Referral();
        await service.Publish(quiet.Next("addendum-added", By(quiet.Receiver)));
        await service.Publish(quiet.Next("accepted", By(quiet.Receiver)));
        await Line(quiet.Sender, "referral.up.accepted");
        (await Inbox(quiet.Receiver)).Should().BeEmpty();
    }

    [Fact]
    public async Task A_line_goes_when_the_institution_acts_and_the_newest_event_takes_the_place_of_the_one_before()
    {
        var referral = A.Referral();
        await service.Publish(referral.Next("submitted"));
        await Line(referral.Receiver, "referral.up.submitted");
        await service.Publish(referral.Next("information-requested", By(referral.Receiver)));
        await Line(referral.Sender, "referral.up.information-requested");
        await Empty(referral.Receiver);
        await service.Publish(referral.Next("information-supplied", By(referral.Sender)), referral.Next("deadline-warning", f => f with { Institution = "system", Deadline = new("Triage", DateTimeOffset.UtcNow, 1) }),
            referral.Next("escalated", f => f with { Institution = "system", Deadline = new("Triage", DateTimeOffset.UtcNow, 2) }));
        await Line(referral.Receiver, "referral.up.escalated");
        (await Inbox(referral.Receiver)).Should().ContainSingle("one line per referral: the newest");
        await service.Publish(referral.Next("closed", f => f with { Institution = referral.Sender, State = ReferralState.Closed }));
        await Line(referral.Receiver, "referral.up.closed");
        await Empty(referral.Sender);
    }

    [Fact]
    public async Task An_event_that_fits_no_inbox_is_left_out_and_stops_nobody()
    {
        var (before, after) = (A.Referral(), A.Referral());
        await using var connection = new NpgsqlConnection(service.Database.Super);
        await connection.OpenAsync();
        long poison;
        // the writer waits until all three lie before it, so that it meets them in one batch
        await using (var held = await connection.BeginTransactionAsync())
        {
            await connection.ExecuteAsync("select from inbox_progress for update", transaction: held);
            await service.Publish(before.Next("submitted"));
            await Logged(before);
            poison = await Poison();
            await service.Publish(after.Next("submitted"));
            await Logged(after);
            await held.RollbackAsync();
        }
        await Line(before.Receiver, "referral.up.submitted");
        await Line(after.Receiver, "referral.up.submitted");
        (await service.Count("inbox_progress where position > @poison", new { poison })).Should().Be(1);
        // and it reads on in batches, not one by one for ever
        var story = Enumerable.Range(0, 30).Select(_ => A.Referral()).ToArray();
        await service.Publish([.. story.Select(r => r.Next("submitted"))]);
        await Line(story[^1].Receiver, "referral.up.submitted");

        Task Logged(TestReferral referral) => Eventually.Is(async () => await service.Count("event where referral_id = @Id", new { referral.Id }) == 1, "it is in the log");

        async Task<long> Poison()
        {
            await using var other = new NpgsqlConnection(service.Database.Super);
            await other.OpenAsync();
            await using var transaction = await other.BeginTransactionAsync();
            await other.ExecuteAsync("select pg_advisory_xact_lock(@Lock)", new { Sequencer.Lock }, transaction);
            var position = await other.ExecuteScalarAsync<long>("""
                insert into event (position, event_id, type, occurred_at, sensitive, body)
                select max(position) + 1, gen_random_uuid(), 'referral.up.submitted', now(), false, '{"type":"referral.up.submitted","time":"yesterday"}' from event
                returning position
                """, transaction: transaction);
            await transaction.CommitAsync();
            return position;
        }
    }

    [Fact]
    public async Task A_line_is_acknowledged_once_and_never_unseen()
    {
        var referral = A.Referral();
        await service.Publish(referral.Next("submitted"));
        var seen = await Line(referral.Receiver, "referral.up.submitted");
        var desk = service.As(referral.Receiver, "Registrar");
        await service.Publish(referral.Next("priority-raised", By(referral.Sender)));
        var newer = await Line(referral.Receiver, "referral.up.priority-raised");
        (await desk.Command($"/v1/inbox/{referral.Id}/acknowledge", ifMatch: seen.GetProperty("etag").GetString())).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed);
        (await desk.Command($"/v1/inbox/{referral.Id}/acknowledge", ifMatch: newer.GetProperty("etag").GetString())).StatusCode.Should().Be(HttpStatusCode.OK);
        (await Inbox(referral.Receiver)).Should().BeEmpty();
        (await desk.Command($"/v1/inbox/{referral.Id}/acknowledge")).StatusCode.Should().Be(HttpStatusCode.OK, "acknowledging again changes nothing");
        (await service.Count("audit where action = 'inbox.acknowledge' and target = @Id", new { Id = referral.Id.ToString() })).Should().Be(1);
        await service.Publish(referral.Next("escalated", f => f with { Institution = "system" }));
        await Line(referral.Receiver, "referral.up.escalated");
        (await service.As(A.Institution(), "Registrar").Command($"/v1/inbox/{referral.Id}/acknowledge")).StatusCode.Should().Be(HttpStatusCode.NotFound);
        (await service.As(referral.Receiver, "Insurer").GetAsync("/v1/inbox")).StatusCode.Should().Be(HttpStatusCode.Forbidden);
    }

    [Fact]
    public async Task What_was_typed_in_afterwards_wakes_nobody()
    {
        var (silent, loud) = (A.Referral(), A.Referral());
        await service.Publish(silent.Next("submitted", f => f with { Flags = ["RETRO_ENTRY"] }), loud.Next("submitted"));
        await Line(loud.Receiver, "referral.up.submitted");
        (await Inbox(silent.Receiver)).Should().BeEmpty();
    }

    [Fact]
    public async Task The_receiver_a_redirect_left_behind_is_told_and_hears_nothing_more()
    {
        var (first, next) = (A.Institution(), A.Institution());
        var referral = A.Referral(receiver: first);
        await service.Publish(referral.Next("submitted", f => f with { Priority = Priority.Emergency }));
        await Line(first, "referral.up.submitted");
        await service.Publish(referral.Next("redirected", f => f with { Receiver = next, PreviousReceiver = first, Institution = f.Sender, Priority = Priority.Emergency }));
        await Line(first, "referral.up.redirected");
        await Line(next, "referral.up.redirected");
        var acknowledged = referral.Next("acknowledged", f => f with { Receiver = next, Institution = next, Priority = Priority.Emergency });
        await service.Publish(acknowledged);
        await service.Logged(acknowledged);
        await Empty(next);
        (await service.As(first).GetStringAsync("/v1/events")).Should().Contain("redirected").And.NotContain("acknowledged", "whoever was left behind is no party of what follows");
    }

    [Fact]
    public async Task An_emergency_rings_at_sender_receiver_and_alliance_office_within_five_seconds_and_climbs_until_it_is_answered()
    {
        var (referral, office) = (A.Referral(), A.Institution());
        ReferralFacts Emergency(ReferralFacts f, string by) => f with { Priority = Priority.Emergency, AllianceOffice = office, Department = "17.01", Institution = by };
        var asked = System.Diagnostics.Stopwatch.StartNew();
        await service.Publish(referral.Next("submitted", f => Emergency(f, referral.Sender)));
        foreach (var (institution, mustAct) in new[] { (referral.Sender, false), (referral.Receiver, true), (office, false) })
            (await Line(institution, "referral.up.submitted")).GetProperty("mustAct").GetBoolean().Should().Be(mustAct, institution);
        asked.Elapsed.Should().BeLessThan(TimeSpan.FromSeconds(5));
        // what gives the illness away is for the parties
        (await Line(referral.Receiver, "referral.up.submitted")).GetProperty("department").GetString().Should().Be("17.01");
        (await Line(office, "referral.up.submitted")).TryGetProperty("department", out var told).Should().Be(told.ValueKind == JsonValueKind.Null);

        await service.Publish(referral.Next("escalated", f => Emergency(f, "system") with { Deadline = new("GreenChannel", DateTimeOffset.UtcNow, 2, ["AllParties"]) }));
        foreach (var institution in new[] { referral.Sender, referral.Receiver, office })
            (await Line(institution, "referral.up.escalated")).GetProperty("mustAct").GetBoolean().Should().BeTrue();

        await service.Publish(referral.Next("acknowledged", f => Emergency(f, referral.Receiver)));
        foreach (var institution in new[] { referral.Sender, office })
            (await Line(institution, "referral.up.acknowledged")).GetProperty("mustAct").GetBoolean().Should().BeFalse();
        await Empty(referral.Receiver);
        await service.Publish(referral.Next("completed", f => Emergency(f, referral.Receiver) with { State = ReferralState.Completed }));
        await Line(referral.Sender, "referral.up.completed");
        await Empty(office);
        (await service.As(office, "AllianceOffice").GetStringAsync("/v1/events")).Should().NotContain(referral.No, "it hears the alarm and is no party");
    }

    [Fact]
    public async Task A_critical_value_stands_out_until_who_asked_acknowledges_it_though_the_referral_is_over()
    {
        var (usual, critical) = (A.Referral(), A.Referral());
        await service.Publish(usual.Next("submitted"), critical.Next("submitted"),
            usual.Next("reported", f => f with { Institution = usual.Receiver, State = ReferralState.Completed }),
            critical.Next("reported", f => f with { Institution = critical.Receiver, State = ReferralState.Completed, Flags = ["CRITICAL_VALUE"] }));
        (await Line(usual.Sender, "referral.up.reported")).GetProperty("critical").GetBoolean().Should().BeFalse();
        var line = await Line(critical.Sender, "referral.up.reported");
        (line.GetProperty("critical").GetBoolean(), line.GetProperty("mustAct").GetBoolean()).Should().Be((true, true));
        (await service.As(critical.Sender).Command($"/v1/inbox/{critical.Id}/acknowledge", ifMatch: line.GetProperty("etag").GetString())).StatusCode.Should().Be(HttpStatusCode.OK);
        await Empty(critical.Sender);
    }

    [Fact]
    public async Task A_lead_hospital_that_sends_or_receives_has_one_line_of_its_alarm()
    {
        var referral = A.Referral();
        await service.Publish(referral.Next("submitted", f => f with { Priority = Priority.Emergency, AllianceOffice = referral.Receiver, Institution = referral.Sender }));
        (await Line(referral.Receiver, "referral.up.submitted")).GetProperty("mustAct").GetBoolean().Should().BeTrue();
        (await Inbox(referral.Receiver)).Should().ContainSingle();
    }

    [Fact]
    public async Task Pages_and_filters_of_an_inbox_hold_each_line_once()
    {
        var receiver = A.Institution();
        for (var i = 0; i < 5; i++)
            await service.Publish(A.Referral(receiver: receiver).Next("submitted", f => f with { Priority = i == 3 ? Priority.Emergency : Priority.Routine, Department = i == 4 ? "05" : "03" }));
        await Eventually.Is(async () => (await Inbox(receiver)).Length == 5, "five lines");
        (await Inbox(receiver, "?priority=Emergency")).Should().ContainSingle();
        (await Inbox(receiver, "?department=05")).Should().ContainSingle();
        var (client, path, seen) = (service.As(receiver), (string?)"/v1/inbox?limit=2&department=03", new List<string>());
        while (path is not null)
        {
            var answer = await client.GetAsync(path);
            seen.AddRange((await answer.Json()).GetProperty("items").EnumerateArray().Select(i => i.GetProperty("id").GetString()!));
            path = answer.Headers.TryGetValues("Link", out var links) ? links.Single().Split('<', '>')[1] : null;
        }
        seen.Should().HaveCount(4).And.OnlyHaveUniqueItems();
        (await client.GetAsync("/v1/inbox?priority=Sometimes")).StatusCode.Should().Be(HttpStatusCode.BadRequest);
    }
}
