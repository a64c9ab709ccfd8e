using Deployed;

namespace Faults.Cases;

/// <summary>X28: two instances of each service; one is killed while the other one works, and nobody's work stands still.</summary>
internal static class LostReplica
{
    public static async Task Run(Scene scene)
    {
        var others = await Task.WhenAll(Programs.All.Select(name => scene.Alliance.Another(name)));
        var pairs = scene.Alliance.Services.Zip(others).ToArray();
        // a client goes to whichever instance of the referral service is there
        var turn = 0;
        Service Either()
        {
            Service[] both = [scene.Referral, others[0]];
            return both.OrderBy(s => s.Runs ? 0 : 1).ThenBy(_ => Interlocked.Increment(ref turn) % 2).First();
        }
        var work = Work.Start(scene, writers: 8, deep: 0.4, at: Either);
        for (var n = 0; n < scene.Pick(3, 3, 18); n++)
        {
            await scene.Wait(scene.Pick(0.7, 1.5, 3));
            var (first, second) = pairs[n % 3];
            var (killed, left) = scene.Random.Next(2) == 0 ? (first, second) : (second, first);
            await killed.Kill();
            scene.Within(2, await work.NextGood(3), $"{killed.Name}: next answers without one instance:");
            scene.Expect(left.Runs, "the other instance ended, too");
            await scene.Wait(scene.Pick(0.5, 1, 2));
            await killed.Start();
        }
        await work.Stop();
        // what the dead held is free again by the other one: nothing is started anew before the final read
    }
}
