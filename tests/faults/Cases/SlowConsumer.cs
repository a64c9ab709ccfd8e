using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X8: a consumer that takes two seconds a message holds few at a time, delays no publisher, and catches up.</summary>
internal static class SlowConsumer
{
    private const string Queue = "scheduling-referral-events";
    private const int Prefetch = 64;

    public static async Task Run(Scene scene)
    {
        var work = new Work(scene, deep: 0);
        await using var wire = await Wire.Listen(scene.Alliance.RabbitMq, "referral-events");
        await Many(work, 20);
        var before = await P95(work);
        var memory = Memory.Of(scene.Scheduling);

        await scene.Scheduling.Database.Execute("""
            create function test_slow() returns trigger language plpgsql as $$ begin perform pg_sleep(2); return new; end $$;
            create trigger test_slow before insert on inbox for each row execute function test_slow()
            """);
        var accepted = scene.Pick(40, 100, 200);
        await Many(work, accepted);
        Wire.Heard[] Said() => [.. wire.All.Where(h => h.Type.EndsWith(".accepted", StringComparison.Ordinal))];
        await scene.Eventually(() => Task.FromResult(Said().Length >= accepted), "what was accepted is said", 10);
        var said = Said();
        var repetitions = Math.Max(1, scene.Pick(200, 1500, 5000) / said.Length);
        for (var n = 0; n < repetitions; n++)
            await wire.Repeat(said);
        var during = await P95(work);

        // the broker counts what is in a quorum queue every five seconds
        await scene.Eventually(async () => (await Depth(scene)).Messages > said.Length * repetitions / 2, "most of them wait: otherwise the case shows nothing", 15);
        var (queued, unacknowledged) = await Depth(scene);
        scene.Figure($"{queued} messages queued, {unacknowledged} under way; p95 {before * 1000:0} ms before, {during * 1000:0} ms during");
        scene.Expect(unacknowledged <= Prefetch, $"{unacknowledged} messages are under way at once");
        scene.Expect(during <= Math.Max(0.1, 2 * before) * scene.Patience, "publishers are slower while a consumer is slow");
        await scene.Wait(scene.Pick(2, 5, 20));
        var grown = Memory.Of(scene.Scheduling) - memory;
        scene.Figure($"memory +{grown:0} MB");
        scene.Expect(grown <= 100, $"the slow consumer grew by {grown:0} MB");

        await scene.Scheduling.Database.Execute("drop function test_slow() cascade");
        var began = scene.Elapsed;
        await scene.Eventually(async () => (await Depth(scene)).Messages == 0, "the queue drains", 60);
        scene.Figure($"drained within {scene.Elapsed - began:0} s");
        foreach (var queue in await Invariants.Queues(scene.Alliance))
            scene.Expect(queue.Messages == 0 || !queue.Name.EndsWith("-dead", StringComparison.Ordinal), $"{queue.Messages} messages were given up on in {queue.Name}");
    }

    private static Task Many(Work work, int count) => Parallel.ForEachAsync(Enumerable.Range(0, count), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (_, _) =>
    {
        if (await work.Submit() is { } id)
            await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
    });

    private static async Task<double> P95(Work work)
    {
        var times = new List<double>();
        for (var n = 0; n < 40; n++)
        {
            var began = System.Diagnostics.Stopwatch.GetTimestamp();
            await work.Submit();
            times.Add(System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalSeconds);
        }
        return times.Order().ElementAt(37);
    }

    private static async Task<(long Messages, long Unacknowledged)> Depth(Scene scene)
    {
        var listed = await Servers.Control("rabbitmqctl", "-q", "list_queues", "-p", new Uri(scene.Alliance.RabbitMq).AbsolutePath[1..],
            "name", "messages", "messages_unacknowledged", "--no-table-headers");
        var cells = listed.Split('\n').Select(l => l.Split('\t')).First(c => c[0] == Queue);
        return (long.Parse(cells[1]), long.Parse(cells[2]));
    }
}
