namespace Faults.Cases;

/// <summary>X1: each service is killed in turn under eight writers; what was acknowledged stands, nothing stands twice.</summary>
internal static class KilledServices
{
    public static async Task Run(Scene scene)
    {
        var work = Work.Start(scene, writers: 8);
        var slowest = 0.0;
        for (var n = 0; n < scene.Pick(3, 3, 12); n++)
        {
            // somewhere in a transaction, wherever that is
            await scene.Wait(scene.Pick(1.0, 2.0, 4.5) + scene.Random.NextDouble());
            var service = scene.Alliance.Services[n % 3];
            await service.Kill();
            var began = scene.Elapsed;
            await service.Start();
            if (service == scene.Referral)
                slowest = Math.Max(slowest, scene.Elapsed - began + await work.NextGood());
            else
                slowest = Math.Max(slowest, scene.Elapsed - began);
        }
        await work.Stop();
        scene.Within(3, slowest, "first good answer after a restart:");
        scene.Expect(scene.Recorder.Answers.Any(a => a.Status == 0), "no request was under way when the service was killed: the case showed nothing");
    }
}
