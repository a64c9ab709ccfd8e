using System.Diagnostics;
using Deployed;

namespace Faults.Cases;

/// <summary>X12: two hundred clients at once are served or shed, health answers all the time, and afterwards all is as before.</summary>
internal static class Overload
{
    public static async Task Run(Scene scene)
    {
        var work = new Work(scene, deep: 0);
        await Base(work);
        var calm = await Base(work);
        using var stop = new CancellationTokenSource();
        var (worst, down) = (0.0, 0);
        var watching = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (var service in scene.Alliance.Services)
                {
                    var answer = await Load.Ask("health", 0, () => service.Anonymous().GetAsync("/health/ready"));
                    worst = Math.Max(worst, answer.Took);
                    down += answer.Status == 200 ? 0 : 1;
                }
                await Task.Delay(250);
            }
        });
        var crowd = Work.Start(scene, writers: 200, pause: 0, deep: 0.1);
        await scene.Wait(scene.Pick(5, 10, 60));
        var answered = crowd.Good;
        await crowd.Stop();
        var ended = Stopwatch.GetTimestamp();
        await stop.CancelAsync();
        await watching;

        // closed loop: each waits for its turn, and none longer than this
        var times = scene.Recorder.Answers.Select(a => a.Took).Order().ToArray();
        var shed = scene.Recorder.Answers.Count(a => a.Status is 503 or 429);
        scene.Figure($"{answered} answers, {shed} shed");
        scene.Within(5, times[(int)(times.Length * 0.99)], "p99 with 200 clients");
        scene.Within(5, worst, "slowest answer of /health/ready");
        scene.Same(0, down, "times a service said that it is not ready");
        scene.Expect(scene.Recorder.Answers.All(a => a.Status != 0), $"{scene.Recorder.Answers.Count(a => a.Status == 0)} requests got no answer at all");
        while (await Base(work) > Math.Max(0.05, 2 * calm) && Stopwatch.GetElapsedTime(ended).TotalSeconds < 60 * scene.Patience)
        {
        }
        scene.Within(5, Stopwatch.GetElapsedTime(ended).TotalSeconds, "back to the base latency after");
    }

    private static async Task<double> Base(Work work)
    {
        var times = new List<double>();
        for (var n = 0; n < 15; n++)
        {
            var began = Stopwatch.GetTimestamp();
            await work.Submit();
            times.Add(Stopwatch.GetElapsedTime(began).TotalSeconds);
        }
        return times.Order().ElementAt(7);
    }
}
