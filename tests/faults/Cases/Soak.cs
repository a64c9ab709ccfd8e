using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X26: half of what the machine can do, for long, with kills and outages at random: nothing grows, nothing slows, nothing is lost.</summary>
internal static class Soak
{
    private sealed record Sample(double At, double Memory, int Files, long Connections);

    public static async Task Run(Scene scene)
    {
        var seconds = scene.Pick(20, 30, scene.Minutes * 60);
        await Places(scene, seconds);
        var rate = await Half(scene);
        var load = Work.Start(scene, writers: 8, pause: 8 / rate, deep: 0.3);
        var samples = new List<Sample>();
        var calm = new List<(double From, double To)>();
        var began = scene.Elapsed;
        var next = scene.Elapsed + scene.Random.Next(5, 15);
        var healed = scene.Elapsed;
        while (scene.Elapsed - began < seconds)
        {
            await scene.Wait(2);
            samples.Add(new(scene.Elapsed - began, scene.Alliance.Services.Sum(Memory.Of), scene.Alliance.Services.Sum(Memory.OpenFiles),
                await Scene.Count(scene.Referral, "select count(*) from pg_stat_activity where backend_type = 'client backend'")));
            // what came before this case's webhooks and answers is judged already; keeping it all would be this program's own leak
            if (scene.Elapsed < next)
                continue;
            calm.Add((healed + 5, scene.Elapsed));
            await Fault(scene);
            healed = scene.Elapsed;
            next = healed + scene.Random.Next(scene.Pick(5, 5, 20), scene.Pick(8, 9, 60));
        }
        calm.Add((healed + 5, scene.Elapsed));
        await load.Stop();

        var (early, late) = (samples.Where(s => s.At < seconds / 2.0).ToArray(), samples.Where(s => s.At >= seconds / 2.0).ToArray());
        Flat(scene, "memory of the three services, MB", early.Max(s => s.Memory), late.Max(s => s.Memory), 1.25, 50);
        Flat(scene, "open files", early.Max(s => s.Files), late.Max(s => s.Files), 1.25, 50);
        Flat(scene, "connections of PostgreSQL", early.Max(s => s.Connections), late.Max(s => s.Connections), 1.25, 15);
        var answers = scene.Recorder.Answers.Where(a => calm.Exists(c => a.At >= c.From && a.At < c.To)).ToArray();
        double P99(Func<Answer, bool> which) => answers.Where(which).Select(a => a.Took).Order().ToArray() is { Length: > 20 } times ? times[(int)(times.Length * 0.99)] * 1000 : 0;
        var (first, last) = (P99(a => a.At - began < seconds / 3.0), P99(a => a.At - began >= seconds * 2 / 3.0));
        scene.Figure($"p99 {first:0} ms in the first third, {last:0} ms in the last; {calm.Count - 1} faults; {scene.Recorder.Answers.Count} answers");
        scene.Expect(last <= Math.Max(first * 1.2, first + 20) * scene.Patience, $"p99 went from {first:0} to {last:0} ms");
    }

    private static void Flat(Scene scene, string what, double early, double late, double factor, double margin)
    {
        scene.Figure($"{what}: at most {early:0} in the first half, {late:0} in the second");
        scene.Expect(late <= early * factor + margin, $"{what} grew from {early:0} to {late:0}");
    }

    // what eight clients without a pause get done, halved
    private static async Task<double> Half(Scene scene)
    {
        var full = Work.Start(scene, writers: 8, pause: 0, deep: 0.3);
        await scene.Wait(3);
        var before = full.Good;
        await scene.Wait(scene.Pick(2, 4, 10));
        var rate = (full.Good - before) / scene.Pick(2.0, 4, 10);
        await full.Stop();
        // a client's turn is about four answers
        scene.Figure($"{rate:0} answers a second at full load");
        return Math.Max(1, rate / 2 / 4);
    }

    private static async Task Fault(Scene scene)
    {
        switch (scene.Random.Next(4))
        {
            case 0 or 1:
                var service = scene.Alliance.Services[scene.Random.Next(3)];
                await service.Kill();
                await service.Start();
                break;
            case 2:
                await scene.Alliance.StopBroker();
                await scene.Wait(scene.Random.Next(2, 8));
                await scene.Alliance.StartBroker();
                break;
            default:
                await scene.Alliance.StopPostgres(scene.Random.Next(2) == 0 ? "fast" : "immediate");
                await scene.Wait(scene.Random.Next(1, 3));
                await scene.Alliance.StartPostgres();
                break;
        }
    }

    // every patient of the soak finds a place
    private static async Task Places(Scene scene, int seconds)
    {
        for (var day = 1; day <= Math.Max(1, seconds / 600); day++)
        {
            var startsAt = DateTimeOffset.UtcNow.AddDays(3).AddMinutes(day);
            using var answer = await scene.Scheduling.As(Alliance.Tertiary, "Registrar").Command("/v1/slots", new
            {
                slots = Enumerable.Range(0, 40).Select(n => new { department = "03.03", resource = "Slot", startsAt = startsAt.AddMinutes(n), endsAt = startsAt.AddMinutes(n + 30), capacity = 1000 }),
            });
            scene.Expect(answer.IsSuccessStatusCode, "no places for the soak");
        }
    }
}
