namespace Faults.Cases;

/// <summary>X3: while PostgreSQL is away every caller hears 503 with Retry-After; afterwards nobody restarts anything.</summary>
internal static class DatabaseRestarted
{
    public static async Task Run(Scene scene)
    {
        var pids = scene.Alliance.Services.Select(s => s.Pid).ToArray();
        foreach (var mode in scene.Pick<string[]>(["immediate"], ["fast", "immediate"], ["fast", "immediate", "immediate"]))
        {
            var load = Steady.Start(scene, perSecond: 20);
            await scene.Wait(scene.Pick(2, 3, 5));
            await scene.Alliance.StopPostgres(mode);
            await scene.Wait(scene.Pick(1, 2, 4));
            await scene.Alliance.StartPostgres();
            var back = load.Now;
            await scene.Wait(5 * scene.Patience + 3);
            var answers = await load.Stop();

            foreach (var answer in answers)
                scene.Expect(answer.Status is 201 or 503, $"{mode}: {answer}");
            scene.Expect(answers.Any(a => a.Status == 503), $"{mode}: nobody noticed: the case showed nothing");
            var good = answers.Where(a => a.Status == 201 && a.Ended > back).Select(a => a.Ended - back).DefaultIfEmpty(double.MaxValue).Min();
            scene.Within(5, good, $"{mode}: first good answer after PostgreSQL is back:");
            scene.Expect(answers.Where(a => a.At > back + 5 * scene.Patience).All(a => a.Status == 201), $"{mode}: still refused {5 * scene.Patience:0} s after PostgreSQL is back");
            scene.Figure($"{mode}: {answers.Count(a => a.Status == 503)} of {answers.Count} refused, each stood after its repetition");
        }
        scene.Expect(pids.SequenceEqual(scene.Alliance.Services.Select(s => s.Pid)), "a service was restarted");
        // what waits with a pause that has grown meanwhile
        foreach (var service in scene.Alliance.Services)
            await scene.Eventually(async () => (await service.Health()).Word == "healthy", $"{service.Name} is healthy again", 30);
    }
}
