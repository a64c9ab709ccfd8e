using System.Diagnostics;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X13: two hundred want one slot at once: as many get it as it takes, the others hear what else is free.</summary>
internal static class OneSlot
{
    private const int Clients = 200;

    public static async Task Run(Scene scene)
    {
        var work = new Work(scene);
        var ids = new List<Guid>();
        await Parallel.ForEachAsync(Enumerable.Range(0, Clients + 10), new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, _) =>
        {
            if (await work.Submit() is { } id && await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" }) && await work.Booked(id))
                lock (ids)
                    ids.Add(id);
        });
        var (racers, others) = (ids.Take(Clients).ToArray(), ids.Skip(Clients).ToArray());
        using var stop = new CancellationTokenSource();
        var rebooking = Rebook(scene, others, stop.Token);
        var (slowest, rounds) = (0.0, scene.Pick(2, 6, 20));
        for (var round = 0; round < rounds; round++)
        {
            var capacity = scene.Random.Next(1, 6);
            var slot = await Publish(scene, capacity, round);
            var bookings = await Bookings(scene, racers);
            var began = Stopwatch.GetTimestamp();
            var answers = await Task.WhenAll(bookings.Select(b => Take(scene, b, slot)));
            slowest = Math.Max(slowest, Stopwatch.GetElapsedTime(began).TotalSeconds);

            // who was cancelled meanwhile stands in the line, and is served from it like anybody
            var served = await Scene.Count(scene.Scheduling, "select count(*) from booking where slot_id = @slot and referral_id = any(@others)", new { slot, others });
            var won = answers.Count(a => a.Status == 201);
            scene.Expect(won <= capacity && won + served >= capacity, $"round {round}: {won} of {answers.Length} won and {served} were served from the line, of a slot that takes {capacity}");
            foreach (var lost in answers.Where(a => a.Status != 201))
                scene.Expect(lost.Status == 409 && lost.Body.Contains("\"slot-taken\"", StringComparison.Ordinal) && Alternatives(lost) > 0, $"round {round}: {lost}");
            scene.Same(capacity, await Scene.Count(scene.Scheduling, "select count(*) from booking where slot_id = @slot and state in ('Held', 'Booked', 'Used')", new { slot }),
                $"round {round}: bookings of the slot");
        }
        await stop.CancelAsync();
        scene.Figure($"{rounds} rounds, {await rebooking} bookings cancelled or moved meanwhile");
        scene.Within(0.5, slowest, $"{Clients} answers at the slowest round");
        // scheduling asks no more questions: what was cancelled is booked again
        foreach (var id in others)
            await work.Booked(id);
    }

    private static int Alternatives(Answer answer) => answer.Json.GetProperty("alternatives").GetArrayLength();

    private static async Task<Guid> Publish(Scene scene, int capacity, int round)
    {
        var startsAt = DateTimeOffset.UtcNow.AddDays(1).AddMinutes(scene.Random.Next(60, 600) + round);
        using var answer = await scene.Scheduling.As(Alliance.Tertiary, "Registrar").Command("/v1/slots",
            new { slots = new[] { new { department = "03.03", resource = "Slot", startsAt, endsAt = startsAt.AddMinutes(30), capacity } } });
        return (await answer.Json()).GetProperty("ids")[0].GetGuid();
    }

    private static async Task<IReadOnlyList<Guid>> Bookings(Scene scene, Guid[] referrals) => await scene.Scheduling.Database.Query<Guid>(
        "select id from booking where state = 'Booked' and referral_id = any(@referrals)", new { referrals });

    private static Task<Answer> Take(Scene scene, Guid booking, Guid slotId) => Load.Ask(booking.ToString(), scene.Elapsed, () =>
        scene.Scheduling.As(Alliance.Tertiary, "Registrar").Command($"/v1/bookings/{booking}/reschedule", new { reason = "PATIENT_REQUEST", slotId }, ifMatch: "*"));

    // places given back, taken again and exchanged beside the races
    private static async Task<int> Rebook(Scene scene, Guid[] referrals, CancellationToken ct)
    {
        // beside another that draws
        var (moved, random) = (0, new Random(scene.Random.Next()));
        while (!ct.IsCancellationRequested)
        {
            foreach (var booking in await Bookings(scene, referrals))
            {
                var answer = random.Next(2) == 0 ? await Cancel(scene, booking) : await Take(scene, booking, await AnyFree(scene, booking));
                scene.Expect(answer.Status is 200 or 201 or 409, $"a cancellation or another hour: {answer}");
                moved += answer.Succeeded ? 1 : 0;
            }
            await Task.Delay(100, CancellationToken.None);
        }
        return moved;
    }

    private static Task<Answer> Cancel(Scene scene, Guid booking) => Load.Ask("cancel", scene.Elapsed, () =>
        scene.Scheduling.As(Alliance.Tertiary, "Registrar").Command($"/v1/bookings/{booking}/cancel", new { reason = "CLINICIAN_ABSENT" }, ifMatch: "*"));

    private static async Task<Guid> AnyFree(Scene scene, Guid booking) => (await scene.Scheduling.Database.Query<Guid>("""
        select id from slot
        where institution = @Tertiary and department = '03.03' and resource = 'Slot' and taken < capacity and starts_at > now() and withdrawn_at is null
          and id <> (select slot_id from booking where id = @booking)
        order by random() limit 1
        """, new { Alliance.Tertiary, booking })).Single();
}
