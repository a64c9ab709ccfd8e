using Deployed;

namespace Faults.Cases;

/// <summary>X11: no webhook goes into our own networks: refused when the endpoint is made, and again at the socket.</summary>
internal static class ForbiddenAddresses
{
    private const string Rebinding = "partner.faults.example";

    private static readonly string[] Loopbacks =
    [
        "http://127.0.0.1/", "http://127.0.0.1:5432/", "https://127.0.0.1/", "http://[::1]/", "https://[::1]/", "http://0.0.0.0/", "https://[::]/",
        "http://169.254.169.254/latest/meta-data/", "https://169.254.169.254/", "http://2130706433/", "https://2130706433/", "http://0177.0.0.1/",
        "https://0x7f.0.0.1/", "https://127.1/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/", "https://10.0.0.1/", "https://192.168.1.1/",
        "https://172.16.0.1/", "https://100.64.0.1/", "https://[fd00::1]/", "https://[fe80::1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
        "https://localhost/", "https://localhost:5432/", "https://LOCALHOST./", "https://127.0.0.1.:443/", "https://own-name.faults.example/",
    ];

    public static async Task Run(Scene scene)
    {
        var hosts = Path.GetTempFileName();
        await File.WriteAllTextAsync(hosts, $"127.0.0.1 localhost\n127.0.0.1 own-name.faults.example\n93.184.215.14 {Rebinding}\n");
        // production's rule, and a hosts file that only this process sees
        await scene.Notification.Stop();
        var strict = await scene.Alliance.Another("notification", s => s.Remove("Webhooks__AllowedAddresses__0"),
            "unshare", "--mount", "sh", "-c", $"mount --bind {hosts} /etc/hosts && exec \"$0\" \"$@\"");
        try
        {
            foreach (var url in Loopbacks)
            {
                using var answer = await Partner.Ask(strict, Alliance.Tertiary, url);
                scene.Expect((int)answer.StatusCode is 422 or 400, $"an endpoint at {url} was answered {(int)answer.StatusCode}");
                scene.Expect((int)answer.StatusCode == 422 || !Uri.TryCreate(url, UriKind.Absolute, out _), $"{url} was refused as malformed, not as forbidden");
            }
            using (var answer = await Partner.Ask(strict, Alliance.Tertiary, "http://93.184.215.14/"))
                scene.Expect((int)answer.StatusCode == 422, "an endpoint without https was taken");

            // the name was public when it was judged
            using var inner = new BadServer((_, _) => Task.CompletedTask);
            using var made = await Partner.Ask(strict, Alliance.Tertiary, $"https://{Rebinding}:{new Uri(inner.Address).Port}/");
            scene.Same(201, (int)made.StatusCode, "an endpoint at a public name");
            await File.WriteAllTextAsync(hosts, $"127.0.0.1 localhost\n127.0.0.1 {Rebinding}\n");
            var rebound = (await TestKit.Http.Json(made)).GetProperty("id").GetGuid();
            var work = new Work(scene);
            for (var n = 0; n < 3; n++)
                await work.Submit();
            await scene.Eventually(async () => await Failures(scene, rebound) > 0, "an attempt at the rebound name", 20);
            var reasons = await scene.Notification.Database.Query<string>("select distinct coalesce(failure, status::text) from attempt where endpoint_id = @rebound", new { rebound });
            scene.Expect(reasons.SequenceEqual(["address-refused"]), $"attempts at a name that was rebound ended with {string.Join(", ", reasons)}");
            scene.Same(0, inner.Connections, "connections to our own network");
            await Remove(scene, strict, rebound);
        }
        finally
        {
            await strict.Stop();
            await scene.Notification.Start();
            File.Delete(hosts);
        }
        await Redirected(scene);
    }

    // a redirect is a failure, and where it points to nobody goes
    private static async Task Redirected(Scene scene)
    {
        using var inner = new BadServer((_, _) => Task.CompletedTask);
        using var redirecting = new BadServer(async (stream, ct) =>
            await stream.WriteAsync(System.Text.Encoding.ASCII.GetBytes($"HTTP/1.1 307 Temporary Redirect\r\nLocation: {inner.Address}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), ct));
        await using var partner = await Partner.Join(scene, Alliance.Tertiary, redirecting.Address);
        await new Work(scene).Submit();
        await scene.Eventually(async () => await Failures(scene, partner.Id) > 0, "an attempt at the endpoint that redirects", 20);
        var reasons = await scene.Notification.Database.Query<string>("select distinct failure from attempt where endpoint_id = @Id", new { partner.Id });
        scene.Expect(reasons.SequenceEqual(["redirect"]), $"attempts that were redirected ended with {string.Join(", ", reasons)}");
        scene.Same(0, inner.Connections, "redirects that were followed");
    }

    private static Task<long> Failures(Scene scene, Guid endpoint) =>
        Scene.Count(scene.Notification, "select count(*) from attempt where endpoint_id = @endpoint", new { endpoint });

    private static async Task Remove(Scene scene, Service at, Guid endpoint)
    {
        using var request = new HttpRequestMessage(HttpMethod.Delete, $"/v1/endpoints/{endpoint}");
        request.Headers.TryAddWithoutValidation("If-Match", "*");
        using var answer = await at.As(Alliance.Tertiary, "Operator").SendAsync(request);
        scene.Expect(answer.IsSuccessStatusCode, "the endpoint could not be deleted");
    }
}
