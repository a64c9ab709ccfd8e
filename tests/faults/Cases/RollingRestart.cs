using System.Net.Http.Headers;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X30: two instances of each service behind nginx are exchanged one by one under load; whoever asks twice with the same key is answered.</summary>
internal static class RollingRestart
{
    public static async Task Run(Scene scene)
    {
        var others = await Task.WhenAll(Programs.All.Select(name => scene.Alliance.Another(name)));
        Service[] all = [.. scene.Alliance.Services, .. others];
        await using var nginx = await Nginx.Start(all);
        using var connections = new SocketsHttpHandler { MaxConnectionsPerServer = 100, UseProxy = false };
        var tokens = new Dictionary<(string, string), string>();
        HttpClient Through(string service, string institution, string role)
        {
            lock (tokens)
            {
                if (!tokens.TryGetValue((institution, role), out var token))
                    tokens[(institution, role)] = token = Issuer.Shared.Token(institution, role, Work.Subject);
                return new(connections, disposeHandler: false)
                {
                    BaseAddress = nginx.Address(service), Timeout = TimeSpan.FromSeconds(30), DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", token) },
                };
            }
        }
        // once, and once again with the same key: the second answer must be good
        var work = new Work(scene, deep: 0.5) { Tries = 2, Door = (institution, role) => Through("referral", institution, role) }.Begin(8);
        using var stop = new CancellationTokenSource();
        var readers = new[] { ("scheduling", "/v1/slots?limit=1"), ("notification", "/v1/events?limit=1") }.Select(r => Task.Run(() =>
            Read(scene, () => Through(r.Item1, Alliance.Tertiary, "Clinician").GetAsync(r.Item2), stop.Token))).ToArray();
        await scene.Wait(scene.Pick(1, 2, 4));
        var slowest = 0.0;
        try
        {
            for (var round = 0; round < scene.Pick(1, 1, 3); round++)
                foreach (var instance in all)
                {
                    // a rolling restart as deployments do it: out of the proxy or not, the process is told to end
                    if (scene.Random.Next(2) == 0)
                        await nginx.Serve(all.Where(i => i != instance));
                    var told = scene.Elapsed;
                    await instance.Stop();
                    slowest = Math.Max(slowest, scene.Elapsed - told);
                    await scene.Wait(0.5);
                    await instance.Start();
                    await nginx.Serve(all);
                    await scene.Wait(scene.Pick(0.3, 0.5, 1));
                }
        }
        finally
        {
            // before the proxy goes
            await work.Stop();
            await stop.CancelAsync();
            await Task.WhenAll(readers);
        }
        scene.Figure($"an instance ends within {slowest:0.0} s");
        var again = scene.Recorder.Answers.Count(a => a.Status is 0 or 502 or 503 or 504);
        scene.Figure($"{scene.Recorder.Answers.Count} answers, {again} asked again once");
        foreach (var other in others)
            await other.Stop();
    }

    private static async Task Read(Scene scene, Func<Task<HttpResponseMessage>> request, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            var answer = await Load.Ask("read", scene.Elapsed, request);
            if (answer.Status != 200)
                answer = await Load.Ask("read", scene.Elapsed, request);
            scene.Expect(answer.Status == 200, $"a reader was answered twice: {answer}");
            await Task.Delay(50, CancellationToken.None);
        }
    }
}
