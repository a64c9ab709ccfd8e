using System.Net;

namespace SchedulingService.Tests;

/// <summary>Two hundred at one slot at once, over HTTP.</summary>
[Collection(Scheduling.Name)]
public sealed class CrowdTests(Scheduling scheduling)
{
    private const int Crowd = 200, Capacity = 5, Rounds = 20;

    [Fact]
    public async Task Two_hundred_at_one_slot_who_also_cancel_and_move_give_exactly_its_capacity_and_the_rest_see_others()
    {
        var (hospital, referrals) = await Waiting(Crowd);
        var (wanted, other) = (await Wanted(hospital, Capacity), await Wanted(hospital, Crowd));
        var crowd = referrals.Select(r => new Client(hospital.Registrar, r)).ToList();
        for (var round = 0; round < Rounds; round++)
        {
            var random = new Random(round);
            var whims = crowd.Select(_ => random.Next(3)).ToList();
            // all at once: who has the slot gives it back, moves away or stays; whoever has not tries to get it
            var before = crowd.Count(c => c.Slot == wanted);
            var moves = await Task.WhenAll(crowd.Zip(whims, (client, whim) =>
                client.Slot != wanted ? client.Take(wanted) : whim == 0 ? client.Cancel() : whim == 1 ? client.Take(other, leaves: true) : Task.FromResult(Move.Stayed)));
            moves.Should().NotContain(Move.Failed);
            var among = crowd.Count(c => c.Slot == wanted);
            (among - before).Should().Be(moves.Count(m => m == Move.Won) - moves.Count(m => m == Move.Left));
            await IsTrue(hospital, wanted, among);

            // then nobody leaves any more, and what was left goes to as many as there is room for
            moves = await Task.WhenAll(crowd.Where(c => c.Slot != wanted).Select(c => c.Take(wanted)));
            moves.Count(m => m == Move.Won).Should().Be(Capacity - among, "round {0}", round);
            moves.Count(m => m == Move.Refused).Should().Be(Crowd - Capacity);
            await IsTrue(hospital, wanted, Capacity);
        }
    }

    [Fact]
    public async Task Mixed_with_cancellations_holds_and_moves_no_slot_is_ever_overfull_and_every_counter_is_true()
    {
        var (hospital, referrals) = await Waiting(80);
        var slots = new[] { await Wanted(hospital, Capacity), await Wanted(hospital, Capacity), await Wanted(hospital, Capacity) };
        using var client = hospital.Registrar;
        var faults = new System.Collections.Concurrent.ConcurrentBag<string>();
        for (var round = 0; round < Rounds; round++)
        {
            var random = new Random(round);
            await Task.WhenAll(referrals.Select(async referral =>
            {
                var (slot, what) = (slots[random.Next(3)], random.Next(4));
                var standing = (await scheduling.Bookings(referral)).FirstOrDefault(b => b.State is "Booked" or "Held");
                var answer = standing switch
                {
                    null => await client.Command("/v1/bookings", new { referral = referral.No, slotId = slot, hold = what == 0 }),
                    { State: "Held" } when what < 3 => await client.Command($"/v1/bookings/{standing.Id}/confirm", new { }, ifMatch: "*"),
                    { State: "Booked" } when what < 2 => await client.Command($"/v1/bookings/{standing.Id}/reschedule", new { reason = "PATIENT_REQUEST", slotId = slot }, ifMatch: "*"),
                    _ => await client.Command($"/v1/bookings/{standing.Id}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "*"),
                };
                if ((int)answer.StatusCode is not (200 or 201 or 409 or 422))
                    faults.Add($"{answer.StatusCode}: {await answer.Content.ReadAsStringAsync()}");
            }));
            (await scheduling.Database.Query<string>("""
                select id::text from slot where institution = @Code
                  and (taken > capacity or taken <> (select count(*) from booking b where b.slot_id = slot.id and b.state in ('Held', 'Booked', 'Used')))
                """, new { hospital.Code })).Should().BeEmpty();
        }
        faults.Should().BeEmpty();
        (await scheduling.Database.Query<Guid>("""
            select referral_id from booking where institution = @Code and state = 'Booked' group by 1 having count(*) > 1
            """, new { hospital.Code })).Should().BeEmpty();
    }

    private enum Move { Won, Refused, Left, Stayed, Failed }

    /// <summary>One of the crowd, who knows what he was answered.</summary>
    private sealed class Client(HttpClient http, AReferral referral)
    {
        private Guid _booking;

        public Guid? Slot { get; private set; }

        public async Task<Move> Take(Guid slot, bool leaves = false)
        {
            var had = Slot;
            var answer = had is null
                ? await http.Command("/v1/bookings", new { referral = referral.No, slotId = slot })
                : await http.Command($"/v1/bookings/{_booking}/reschedule", new { reason = "PATIENT_REQUEST", slotId = slot }, ifMatch: "*");
            var body = await answer.Json();
            if (answer.StatusCode == HttpStatusCode.Created)
            {
                (_booking, Slot) = (body.GetProperty("id").GetGuid(), slot);
                return leaves ? Move.Left : Move.Won;
            }
            return answer.StatusCode == HttpStatusCode.Conflict && body.GetProperty("code").GetString() == "slot-taken"
                && body.GetProperty("alternatives").GetArrayLength() > 0 ? Move.Refused : Move.Failed;
        }

        public async Task<Move> Cancel()
        {
            var answer = await http.Command($"/v1/bookings/{_booking}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "*");
            Slot = null;
            return answer.StatusCode == HttpStatusCode.OK ? Move.Left : Move.Failed;
        }
    }

    // past every window: such a slot is given to nobody by itself
    private static Task<Guid> Wanted(Institution hospital, int capacity) => hospital.Slot(day: 20, hour: 1, capacity: capacity);

    private async Task<(Institution, List<AReferral>)> Waiting(int count)
    {
        var hospital = scheduling.NewInstitution();
        var referrals = Enumerable.Range(0, count).Select(_ => A.Referral(hospital)).ToList();
        await scheduling.HearsAtOnce(referrals.Select(r => r.Accepted()));
        return (hospital, referrals);
    }

    private async Task IsTrue(Institution hospital, Guid slot, int live)
    {
        (await scheduling.Database.Query<int>(
            "select count(*)::int from booking where slot_id = @slot and state in ('Held', 'Booked', 'Used')", new { slot })).Should().Equal(live);
        (await scheduling.Database.Query<string>("""
            select id::text from slot where institution = @Code
              and (taken > capacity or taken <> (select count(*) from booking b where b.slot_id = slot.id and b.state in ('Held', 'Booked', 'Used')))
            union all
            select referral_id::text from booking where institution = @Code and state in ('Held', 'Booked', 'Used') group by referral_id having count(*) > 1
            """, new { hospital.Code })).Should().BeEmpty("no slot is overfull, no counter untrue, nobody has two places");
    }
}
