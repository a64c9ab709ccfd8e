using Deployed;

namespace Faults.Cases;

/// <summary>X2: no clinic waits for a broker that is away, and what waited is told in order when it is back.</summary>
internal static class BrokerStopped
{
    public static async Task Run(Scene scene)
    {
        var load = Steady.Start(scene, perSecond: 20);
        await scene.Wait(scene.Pick(4, 8, 12));
        // the first seconds belong to the just-in-time compiler
        var before = load.Since(scene.Pick(1, 3, 4));
        await scene.Alliance.StopBroker();
        var down = load.Now;
        await scene.Wait(scene.Pick(5, 12, 60));
        var health = await scene.Referral.Health();
        scene.Same((200, "degraded"), health, "health without a broker");
        var during = load.Since(down);
        var waiting = await Scene.Count(scene.Referral, "select count(*) from outbox");
        scene.Expect(waiting > during.Count / 2, $"the outbox holds {waiting} of {during.Count} submissions");
        await load.Stop();

        scene.Expect(during.Count > 0 && during.All(a => a.Status == 201), $"{during.Count(a => a.Status != 201)} of {during.Count} submissions without a broker were not answered 201");
        var (with, without) = (Load.P95(before), Load.P95(during));
        scene.Figure($"p95 with the broker {with * 1000:0} ms, without it {without * 1000:0} ms");
        scene.Expect(without <= Math.Max(0.05, 2 * with) * scene.Patience, "submissions are slower without a broker");

        await scene.Alliance.StartBroker();
        var began = scene.Elapsed;
        await FinalRead.Drains(scene.Alliance, (int)(30 * scene.Patience));
        scene.Within(30, scene.Elapsed - began, $"{waiting} events told after the broker came back:");
        await scene.Eventually(async () => (await scene.Referral.Health()).Word == "healthy", "healthy again", 30);
    }
}
