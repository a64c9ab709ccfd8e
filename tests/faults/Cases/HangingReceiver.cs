using System.Net.Sockets;
using System.Text;
using Deployed;

namespace Faults.Cases;

/// <summary>X10: receivers that accept and say nothing, drip, or send a gigabyte cost a bounded time and memory, and delay nobody else.</summary>
internal static class HangingReceiver
{
    // Webhooks:Timeout of these alliances
    private const double Timeout = 3;

    public static async Task Run(Scene scene)
    {
        await using var healthy = await Partner.Join(scene, Alliance.Tertiary);
        using var hangs = new BadServer(async (stream, ct) => await Task.Delay(-1, ct));
        using var drips = new BadServer(Drip);
        using var floods = new BadServer(Flood);
        var memory = Memory.Of(scene.Notification);
        await using (var hanging = await Partner.Join(scene, Alliance.Tertiary, hangs.Address, inOrder: false))
        await using (var dripping = await Partner.Join(scene, Alliance.Tertiary, drips.Address, inOrder: false))
        await using (var flooding = await Partner.Join(scene, Alliance.Tertiary, floods.Address, inOrder: false))
        {
            var began = DateTimeOffset.UtcNow;
            var work = Work.Start(scene, writers: 3, pause: 0.3);
            await scene.Wait(scene.Pick(6, 10, 40));
            await work.Stop();
            await scene.Eventually(async () => await Scene.Count(scene.Notification,
                "select count(*) from message where endpoint_id = @Id and state = 'Waiting'", new { healthy.Id }) == 0, "the healthy endpoint is served", 15);
            var late = healthy.Receiver.Received.Where(w => w.At >= began).Select(w => (w.At - w.Event.GetProperty("time").GetDateTimeOffset()).TotalSeconds).Order().ToArray();
            scene.Expect(late.Length > 0, "no event meanwhile: the case showed nothing");
            if (late.Length > 0)
                scene.Within(1, late[(int)(late.Length * 0.95)], "event to the healthy endpoint, p95:");

            await Judge(scene, hanging, "hangs", "timeout");
            await Judge(scene, dripping, "drips", "timeout");
            var most = await Scene.Count(scene.Notification, "select coalesce(max(length(answer)), 0) from attempt where endpoint_id = @Id", new { flooding.Id });
            scene.Expect(most <= 1024, $"{most} characters of an answer are kept");
            var delivered = await Scene.Count(scene.Notification, "select count(*) from message where endpoint_id = @Id and state = 'Delivered'", new { flooding.Id });
            scene.Expect(delivered > 0, "a receiver that answered 200 and a gigabyte has taken nothing");
            scene.Expect(floods.MostSent < 64 << 20, $"{floods.MostSent >> 20} MB of one answer were read");
            scene.Figure($"hanging connections at once: {hangs.MostAtOnce}; of a gigabyte {floods.MostSent >> 10} kB left the sender");
            scene.Expect(hangs.MostAtOnce <= 17, $"{hangs.MostAtOnce} attempts hang at one endpoint at once");
            var grown = Memory.Of(scene.Notification) - memory;
            scene.Expect(grown < 150, $"the notification service grew by {grown:0} MB");
        }
    }

    private static async Task Judge(Scene scene, Partner partner, string what, string failure)
    {
        var attempts = await scene.Notification.Database.Query<(int Duration, string Failure)>(
            "select duration_ms, failure from attempt where endpoint_id = @Id", new { partner.Id });
        scene.Expect(attempts.Count > 0, $"nothing was tried at an endpoint that {what}");
        foreach (var (duration, why) in attempts)
            scene.Expect(why == failure && duration < (Timeout + 1) * 1000 * scene.Patience, $"an attempt at an endpoint that {what} ended after {duration} ms with '{why}'");
    }

    private static async Task Drip(NetworkStream stream, CancellationToken ct)
    {
        foreach (var b in "HTTP/1.1 200 OK\r\nX-Long: "u8.ToArray().Concat(Enumerable.Repeat((byte)'x', 10_000)))
        {
            await stream.WriteAsync(new[] { b }, ct);
            await Task.Delay(1000, ct);
        }
    }

    private static async Task Flood(NetworkStream stream, CancellationToken ct)
    {
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {1L << 30}\r\n\r\n"), ct);
        var block = new byte[64 * 1024];
        for (var sent = 0L; sent < 1L << 30; sent += block.Length)
            await stream.WriteAsync(block, ct);
    }
}
