using System.Diagnostics;
using System.Net;
using Xunit.Abstractions;

namespace SchedulingService.Tests;

/// <summary>Two hundred at one slot at once, over HTTP.</summary>
[Collection(Scheduling.Name)]
public sealed class CrowdTests(Scheduling scheduling, ITestOutputHelper output)
{
    private const int Crowd = 200, Capacity = 5, Rounds = 20;

    [Fact]
    public async Task Two_hundred_who_choose_one_slot_at_once_give_exactly_its_capacity_and_the_rest_see_others()
    {
        var (hospital, referrals) = await Waiting(Crowd);
        await Wanted(hospital, Capacity * Rounds);
        using var client = hospital.Registrar;
        var slowest = new List<long>();
        for (var round = 0; round < Rounds; round++)
        {
            var slot = await Wanted(hospital, Capacity);
            var answers = await Task.WhenAll(referrals.Select(r => Timed(client.Command("/v1/bookings", new { referral = r.No, slotId = slot }))));

            answers.Count(a => a.Answer.StatusCode == HttpStatusCode.Created).Should().Be(Capacity);
            var refused = answers.Where(a => a.Answer.StatusCode == HttpStatusCode.Conflict).ToList();
            refused.Should().HaveCount(Crowd - Capacity);
            var problem = await refused[round].Answer.Json();
            problem.GetProperty("code").GetString().Should().Be("slot-taken");
            problem.GetProperty("alternatives").GetArrayLength().Should().BeGreaterThan(0);
            (await Live(slot)).Should().Be(Capacity);
            slowest.Add(answers.Max(a => a.Milliseconds));
            foreach (var answer in answers.Where(a => a.Answer.IsSuccessStatusCode))
                (await client.Command($"/v1/bookings/{(await answer.Answer.Json()).GetProperty("id").GetString()}/cancel", new { reason = "PATIENT_REQUEST" }, ifMatch: "*")).EnsureSuccessStatusCode();
        }
        output.WriteLine($"slowest answer of each round, ms: {string.Join(' ', slowest)}");
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

    private static async Task<(HttpResponseMessage Answer, long Milliseconds)> Timed(Task<HttpResponseMessage> answer)
    {
        var began = Stopwatch.GetTimestamp();
        return (await answer, (long)Stopwatch.GetElapsedTime(began).TotalMilliseconds);
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

    private async Task<int> Live(Guid slot) => (await scheduling.Database.Query<int>(
        "select count(*)::int from booking where slot_id = @slot and state in ('Held', 'Booked', 'Used')", new { slot })).Single();
}
