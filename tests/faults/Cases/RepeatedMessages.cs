using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X5: a broker may say anything again: after a consumer that died before its acknowledgement, or five times for no reason.</summary>
internal static class RepeatedMessages
{
    public static async Task Run(Scene scene)
    {
        await using var referrals = await Wire.Listen(scene.Alliance.RabbitMq, "referral-events");
        await using var bookings = await Wire.Listen(scene.Alliance.RabbitMq, "scheduling-events");
        var work = new Work(scene);
        var ids = new List<Guid>();
        foreach (var (service, operation, table) in scene.Pick<(Service, string, string)[]>(
            [(scene.Scheduling, "insert", "booking")],
            [(scene.Scheduling, "insert", "booking"), (scene.Notification, "insert", "arrival"), (scene.Referral, "insert", "inbox")],
            [(scene.Scheduling, "insert", "booking"), (scene.Notification, "insert", "arrival"), (scene.Referral, "insert", "inbox")]))
            foreach (var committed in new[] { false, true })
            {
                var id = await work.Submit() ?? throw new InvalidOperationException("nothing was submitted");
                ids.Add(id);
                await using var hold = await Hold.Commits(service.Database, operation, table);
                await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
                await hold.Caught();
                await service.Kill();
                await (committed ? hold.Release() : hold.Undo());
                await service.Start();
                await work.Booked(id);
            }

        await FinalRead.Drains(scene.Alliance, (int)(30 * scene.Patience));
        await scene.Eventually(() => Task.FromResult(bookings.All.Count >= ids.Count), "the wire has heard every booking", 20);
        // everything five times, in any order
        var (said, booked) = (Shuffled(scene, referrals.All), Shuffled(scene, bookings.All));
        await Task.WhenAll(referrals.Repeat(said), bookings.Repeat(booked));
        scene.Figure($"{said.Length + booked.Length} repetitions");
        // the queues are first in, first out: what comes after them is heard after them
        if (await work.Submit() is { } marker)
        {
            await work.Move(marker, "accept", Alliance.Tertiary, new { department = "03.03" });
            await work.Booked(marker);
        }
        foreach (var id in ids)
        {
            scene.Same(1, await Scene.Count(scene.Scheduling, "select count(*) from booking where referral_id = @id", new { id }), "bookings of a referral");
            scene.Same(3, await Scene.Count(scene.Referral, "select count(*) from history where referral_id = @id", new { id }), "steps of a referral");
        }
        foreach (var message in said.Select(m => m.MessageId).Distinct())
            scene.Same(1, await Scene.Count(scene.Notification, "select count(*) from event where event_id = @message", new { message }), "a repeated event in the log");
    }

    private static Wire.Heard[] Shuffled(Scene scene, IReadOnlyList<Wire.Heard> messages)
    {
        var all = messages.DistinctBy(m => m.MessageId).SelectMany(m => Enumerable.Repeat(m, 5)).ToArray();
        scene.Random.Shuffle(all);
        return all;
    }
}
