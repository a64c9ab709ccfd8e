using Deployed;

namespace Faults.Cases;

/// <summary>X9: a receiver that fails for a minute gets every step afterwards, in order, and nobody else notices.</summary>
internal static class FailingReceiver
{
    public static async Task Run(Scene scene)
    {
        await using var failing = await Partner.Join(scene, Alliance.Tertiary);
        await using var healthy = await Partner.Join(scene, Alliance.Tertiary);
        var work = Work.Start(scene, writers: 3, pause: 0.3, deep: 0.5);
        await scene.Wait(scene.Pick(2, 5, 10));
        failing.Receiver.Answers = 500;
        var since = DateTimeOffset.UtcNow;
        await scene.Wait(scene.Pick(5, 12, 60));
        await work.Stop();
        // read while it still fails: what is late now is late because of it
        await scene.Eventually(async () => await Waiting(scene, healthy) == 0, "the healthy endpoint is served while the other one fails", 15);
        var late = healthy.Receiver.Received.Where(w => w.At >= since).Select(w => (w.At - w.Event.GetProperty("time").GetDateTimeOffset()).TotalSeconds).Order().ToArray();
        scene.Expect(late.Length > 0, "no event meanwhile: the case showed nothing");
        if (late.Length > 0)
            scene.Within(1, late[(int)(late.Length * 0.95)], "event to the healthy endpoint, p95:");
        scene.Expect(await Waiting(scene, failing) > 0, "nothing waits for the failing endpoint: the case showed nothing");

        failing.Receiver.Answers = 200;
        var healed = scene.Elapsed;
        await scene.Eventually(async () => await Waiting(scene, failing) == 0, "everything reaches the healed endpoint", 75);
        scene.Within(75, scene.Elapsed - healed, "everything delivered after it healed:");
        Complete(scene, failing, "the failing endpoint");
        Complete(scene, healthy, "the healthy endpoint");
    }

    private static Task<long> Waiting(Scene scene, Partner partner) =>
        Scene.Count(scene.Notification, "select count(*) from message where endpoint_id = @Id and state <> 'Delivered'", new { partner.Id });

    // every intermediate event of every referral, each first success after the one before it
    private static void Complete(Scene scene, Partner partner, string whose)
    {
        var taken = partner.Receiver.Received.Where(w => w.Answered == 200 && w.Name != "capacity-changed").GroupBy(w => w.Subject);
        foreach (var referral in taken)
        {
            var order = referral.Select(w => w.Sequence).Distinct().ToArray();
            scene.Expect(order.SequenceEqual(Enumerable.Range(1, order.Length).Select(n => (long)n)), $"{whose} heard {referral.Key} as {string.Join(' ', order)}");
        }
    }
}
