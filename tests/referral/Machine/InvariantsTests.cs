using System.Net;
using System.Text.Json;
using FluentAssertions;
using Npgsql;
using Referrals.Contracts;
using ReferralService.Deadlines;
using ReferralService.Workflow;
using TestKit;
using Xunit;

namespace ReferralService.Tests.Machine;

/// <summary>The ten invariants of the lifecycle, by name. The random commands hold them too; here each has its own test.</summary>
[Collection("referral")]
public sealed class InvariantsTests(ReferralHost host)
{
    private static Move Do(ReferralService.Referrals.Referral r, string verb, Side side, Verbs.With? with = null) =>
        Verbs.Raise(r, verb, InMemory.By(side), InMemory.Noon.AddMinutes(1), with);

    /// <summary>PostgreSQL itself refuses what this statement makes of the row.</summary>
    private async Task Forbids(string constraint, A referral, string change)
    {
        var write = () => host.Database.Execute($"update referral set {change} where id = @Id", new { referral.Id });
        (await write.Should().ThrowAsync<PostgresException>(change)).Which.ConstraintName.Should().Be(constraint);
    }

    [Fact]
    public async Task I1_exactly_one_leg_is_live_and_no_target_is_tried_twice()
    {
        var r = InMemory.At("Submitted");
        Do(r, "redirect", Side.Receiver, new("HOSPITAL-2")).WasDone().Should().BeTrue();
        (r.Leg, r.Receiver).Should().Be((2, "HOSPITAL-2"));
        Do(r.Copy(), "redirect", Side.Receiver, new("HOSPITAL-1")).Refusal!.Type.Code.Should().Be("target-already-tried");
        Do(r, "redirect", Side.Receiver, new("HOSPITAL-3")).WasDone().Should().BeTrue();
        Do(r.Copy(), "redirect", Side.Receiver, new("HOSPITAL-4")).WasDone().Should().BeFalse("three legs are the most");

        var referral = await A.Submitted(host);
        await Forbids("at_most_three_legs", referral, "leg = 4");
        await Forbids("never_to_oneself", referral, "receiver = sender");
    }

    [Fact]
    public async Task I2_an_end_has_actor_time_and_reason_and_no_move_leads_out_of_it()
    {
        foreach (var state in MovesModel.Finals)
            foreach (var row in EveryLineOfTheTableTests.Rows(state))
                foreach (var verb in Verbs.All)
                {
                    var r = row.Copy();
                    Do(r, verb, ~Side.None);
                    r.State.Should().Be(state, "{0} does not lead out of an end", verb);
                }

        var referral = await (await A.Submitted(host)).Does("decline");
        var end = (await host.Database.Query<(string Subject, DateTime At, string Reason)>(
            "select subject, at, reason from history where referral_id = @Id and to_state = 'Declined'", new { referral.Id })).Single();
        end.Subject.Should().Be("dr-test");
        end.Reason.Should().Be("NO_CAPACITY");
        await Forbids("an_end_has_its_time", referral, "ended_at = null");
        await Forbids("an_end_has_its_time", referral, "state = 'Accepted'");
        await Forbids("an_end_has_no_timer", referral, "next_deadline_at = now()");
        await Forbids("completed_has_an_outcome", referral, "state = 'Completed', outcome = null");
    }

    [Fact]
    public async Task I3_each_row_from_submit_on_is_one_event_with_the_next_number()
    {
        var draft = await A.Drafted(host);
        await draft.Does("amend", new { slip = A.UpwardSlip() });
        await draft.Does("submit");
        await draft.Does("claim");
        await draft.Does("arrive");
        var rows = await host.Database.Query<(long Version, long? Sequence, string Event)>(
            "select version, sequence, event from history where referral_id = @Id order by version", new { draft.Id });
        rows.Select(r => r.Version).Should().Equal(1, 2, 3, 4, 5, 6);
        rows.Select(r => r.Sequence).Should().Equal(null, null, 1, 2, 3, 4);
        (await draft.Look()).GetProperty("sequence").GetInt64().Should().Be(4);

        var twice = () => host.Database.Execute("""
            insert into history (referral_id, version, sequence, message_id, verb, event, to_state, leg, at, subject, institution, role)
            values (@Id, 99, 4, gen_random_uuid(), 'x', 'x', 'Arrived', 1, now(), 'x', 'x', 'x')
            """, new { draft.Id });
        (await twice.Should().ThrowAsync<PostgresException>()).Which.SqlState.Should().Be(PostgresErrorCodes.UniqueViolation);
    }

    [Fact]
    public void I3_replaying_the_events_gives_the_same_workflow_row()
    {
        var r = InMemory.New(ReferralKind.InpatientTransfer);
        var heard = new Replay();
        foreach (var (verb, side) in ((string, Side)[])
        [
            ("submit", Side.Sender), ("claim", Side.Receiver), ("raise-priority", Side.Receiver), ("accept", Side.Receiver), ("booked", Side.System),
            ("redirect", Side.Receiver), ("accept", Side.Receiver), ("booked", Side.System), ("dispatch", Side.Sender), ("arrive", Side.Receiver),
            ("complete-treatment", Side.Receiver), ("complete-without-return", Side.Receiver),
        ])
        {
            foreach (var row in Do(r, verb, side).Rows)
                heard = heard.Hear(row.EventBody!);
            heard.Should().Be(Replay.Of(r), "after {0}", verb);
        }
        heard.State.Should().Be("Completed");
    }

    [Fact]
    public async Task I4_an_end_holds_no_place_and_a_code_works_once()
    {
        foreach (var (verb, side) in ((string, Side)[])[("withdraw-acceptance", Side.Receiver), ("close", Side.Sender), ("redirect", Side.Sender), ("booking-cancelled", Side.System)])
        {
            var r = InMemory.At("Scheduled");
            r.BookingCodeHash = "hash";
            Do(r, verb, side).WasDone().Should().BeTrue();
            r.IsBooked.Should().BeFalse("{0} frees the slot", verb);
            r.BookingCodeHash.Should().BeNull("{0} burns the code", verb);
        }
        var referral = await A.Scheduled(host);
        await referral.Does("arrive");
        (await host.Database.Query<string?>("select booking_code_hash from referral where id = @Id", new { referral.Id })).Single().Should().BeNull();
        await referral.IsRefused("arrive", HttpStatusCode.Conflict);
    }

    [Fact]
    public async Task I5_up_is_returned_when_exactly_one_of_its_children_arrived_and_an_ended_parent_has_no_live_child()
    {
        var up = await A.Treated(host);
        await Forbids("referral_parent_id_fkey", up, "parent_id = gen_random_uuid()");
        var down = await up.Returned();
        await Forbids("an_ended_parent_has_no_live_child", up, "state = 'Closed', ended_at = now(), next_deadline_at = null");
        var other = await (await A.Treated(host)).Returned();
        await Forbids("referral_one_live_return", other, $"parent_id = '{up.Id}'");

        await down.Does("arrive", new { identifiedBy = "Slip" });
        var view = await up.Look();
        (view.GetProperty("state").GetString(), view.GetProperty("outcome").GetString()).Should().Be(("Completed", "Returned"));
    }

    [Fact]
    public async Task I5_a_way_back_follows_a_treatment()
    {
        var up = await A.Arrived(host);
        await up.IsRefused("return", HttpStatusCode.Conflict, "not-in-this-state");
        await (await A.Treated(host)).Does("return");
    }

    [Fact]
    public async Task I6_linked_referrals_keep_the_episode()
    {
        var up = await A.Treated(host);
        var down = await up.Returned();
        var episode = (await up.Look()).GetProperty("episodeId").GetGuid();
        down.Last.GetProperty("episodeId").GetGuid().Should().Be(episode);
        var whole = await host.As(up.Sender).GetAsync($"/v1/episodes/{episode}").Json();
        whole.ToString().Should().Contain(up.No).And.Contain(down.No);
    }

    [Fact]
    public async Task I7_an_emergency_never_expires_is_never_declined_and_rings_until_somebody_answers()
    {
        foreach (var state in MovesModel.Open)
            foreach (var verb in (string[])["decline", "withdraw-acceptance", "expire", "no-show", "send-for-review"])
                Do(InMemory.At(state, priority: Priority.Emergency), verb, ~Side.None).WasDone().Should().BeFalse("{0} in {1}", verb, state);
        var r = InMemory.At("Scheduled");
        Do(r, "make-emergency", Side.Sender).WasDone().Should().BeTrue();
        Timers.Running(r).Should().Contain(t => t.Timer == "GreenChannel");
        Do(r, "acknowledge", Side.Receiver).WasDone().Should().BeTrue();
        Timers.Running(r).Should().NotContain(t => t.Timer == "GreenChannel");

        var emergency = await A.Emergency(host);
        await Forbids("emergency_never_expires", emergency, "state = 'Expired', ended_at = now(), next_deadline_at = null");
        await Forbids("emergency_never_refused_at_the_door", emergency, "state = 'Declined', ended_at = now(), next_deadline_at = null");
        await Forbids("emergency_goes_up", emergency, "direction = 'Down'");
    }

    [Fact]
    public async Task I8_both_sides_see_state_since_when_who_must_act_and_the_next_deadline()
    {
        var referral = await A.Submitted(host);
        foreach (var party in (string[])[referral.Sender, referral.Receiver])
        {
            var view = await host.As(party).GetAsync($"/v1/referrals/{referral.Id}").Json();
            view.GetProperty("state").GetString().Should().Be("Submitted");
            view.GetProperty("stateSince").GetDateTimeOffset().Should().BeCloseTo(host.Clock.GetUtcNow(), TimeSpan.FromSeconds(1));
            view.GetProperty("waitingFor").GetString().Should().Be("receiver");
            view.GetProperty("nextDeadline").GetProperty("dueAt").GetDateTimeOffset().Should().BeAfter(host.Clock.GetUtcNow());
            view.GetProperty("availableActions").GetArrayLength().Should().BePositive();
        }
    }

    [Fact]
    public async Task I9_what_is_masked_stays_out_of_lists_history_and_logs()
    {
        const string name = "欧阳不能泄露", phone = "13977665544", email = "leak@example.org", words = "此话不得外传";
        var referral = await A.Submitted(host, slip =>
        {
            slip["patient"]!["name"] = name;
            slip["patient"]!["phone"] = phone;
            slip["patient"]!["email"] = email;
            slip["presentIllness"] = words;
        });
        await referral.Does("decline", new { reason = "OTHER", text = words });
        var list = await (await host.As(referral.Sender).GetAsync("/v1/referrals?as=sender&state=Declined&limit=100")).Content.ReadAsStringAsync();
        list.Should().Contain(referral.No).And.NotContain(name).And.NotContain(phone).And.NotContain(email).And.NotContain(words);
        foreach (var table in (string[])["referral", "history", "audit", "outbox", "slip", "patient", "idempotency_key"])
        {
            var stored = await host.Database.Query<int>($"select count(*)::int from {table} t where t::text like any (@secrets)",
                new { secrets = (string[])[$"%{name}%", $"%{phone}%", $"%{email}%", $"%{words}%"] });
            stored.Single().Should().Be(0, "nothing of it stands readable in {0}", table);
        }
    }

    [Fact]
    public async Task I10_a_repeated_or_stale_command_changes_nothing()
    {
        var referral = await A.Submitted(host);
        var (read, key) = (referral.Etag, Guid.NewGuid().ToString());
        var first = await referral.Tries("accept", ifMatch: read, key: key);
        var again = await referral.Tries("accept", ifMatch: read, key: key);
        first.StatusCode.Should().Be(HttpStatusCode.OK);
        again.StatusCode.Should().Be(HttpStatusCode.OK);
        again.Headers.GetValues("Idempotency-Replayed").Should().Equal("true");
        JsonElement.DeepEquals(await first.Json(), await again.Json()).Should().BeTrue();
        (await referral.Tries("close", ifMatch: read)).StatusCode.Should().Be(HttpStatusCode.PreconditionFailed);
        (await referral.Events()).Should().Equal("submitted", "accepted");
    }
}
