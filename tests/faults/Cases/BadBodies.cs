using System.Diagnostics;
using System.IO.Compression;
using System.Net.Sockets;
using System.Text;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X21: bodies that are huge, deep, broken, slow or lies are refused, cost no memory, and leave no connection behind.</summary>
internal static class BadBodies
{
    public static async Task Run(Scene scene)
    {
        // what such answers cost once is not what they cost each time
        for (var round = 0; round < 2; round++)
            await Once(scene, judged: false);
        var memory = scene.Alliance.Services.ToDictionary(s => s, Memory.Of);
        for (var round = 0; round < scene.Pick(1, 3, 10); round++)
            await Once(scene, judged: true);
        foreach (var service in scene.Alliance.Services)
        {
            var grown = Memory.Of(service) - memory[service];
            scene.Figure($"{service.Name} +{grown:0} MB");
            scene.Expect(grown <= 100, $"{service.Name} grew by {grown:0} MB");
        }
        await Slow(scene);
    }

    private static async Task Once(Scene scene, bool judged)
    {
        foreach (var service in scene.Alliance.Services)
        {
            var (path, institution, role) = service.Name switch
            {
                "referral" => ("/v1/referrals?submit=true", Alliance.Township, "Clinician"),
                "scheduling" => ("/v1/slots", Alliance.Tertiary, "Registrar"),
                _ => ("/v1/endpoints", Alliance.Tertiary, "Operator"),
            };
            var token = Issuer.Shared.Token(institution, role);
            foreach (var (what, headers, body, statuses) in Bodies())
            {
                var status = await Send(service, path, token, headers, body);
                if (judged)
                    scene.Expect(statuses.Contains(status), $"{service.Name}, {what}: {status}, not {string.Join(" or ", statuses)}");
            }
        }
    }

    private static IEnumerable<(string What, string Headers, byte[] Body, int[] Statuses)> Bodies()
    {
        const string json = "Content-Type: application/json\r\n";
        string Sized(byte[] body, string type = json) => $"{type}Content-Length: {body.Length}\r\n";
        (string, string, byte[], int[]) Case(string what, byte[] body, int[] statuses, string type = json) => (what, Sized(body, type), body, statuses);

        yield return Case("ten megabytes", Encoding.UTF8.GetBytes("{\"impression\":\"" + new string('a', 10 << 20) + "\"}"), [413, 0]);
        yield return Case("nested a hundred deep", Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("{\"patient\":", 100)) + "1" + new string('}', 100)), [400]);
        yield return Case("nested a hundred thousand deep", Encoding.UTF8.GetBytes(new string('[', 100_000)), [400]);
        yield return Case("a hundred thousand members", Encoding.UTF8.GetBytes("{" + string.Join(',', Enumerable.Range(0, 100_000).Select(n => $"\"m{n}\":1")) + "}"), [400, 413, 0]);
        yield return Case("a member twice", "{\"url\":\"a\",\"url\":\"b\",\"slots\":[],\"slots\":[],\"impression\":\"a\",\"impression\":\"b\"}"u8.ToArray(), [400]);
        yield return Case("not UTF-8", [(byte)'{', (byte)'"', 0xff, 0xfe, (byte)'"', (byte)':', (byte)'1', (byte)'}'], [400]);
        yield return Case("GBK by its header", "{}"u8.ToArray(), [415], "Content-Type: application/json; charset=gbk\r\n");
        yield return Case("UTF-16", Encoding.Unicode.GetBytes("{}"), [400, 415], "Content-Type: application/json; charset=utf-16\r\n");
        yield return Case("XML", "<a/>"u8.ToArray(), [415], "Content-Type: application/xml\r\n");
        yield return Case("no type", "{}"u8.ToArray(), [415], "");
        yield return Case("a gzip bomb", Bomb(), [400, 415, 413], json + "Content-Encoding: gzip\r\n");
        yield return Case("a comma too much", "{\"impression\":\"a\",}"u8.ToArray(), [400]);
        yield return Case("a number without end", "{\"patient\":{\"age\":1e999}}"u8.ToArray(), [400]);
        yield return Case("half a surrogate pair", "{\"impression\":\"\\ud800\",\"url\":\"\\ud800\"}"u8.ToArray(), [400]);
        yield return Case("a NUL", "{\"impression\":\"a\\u0000b\",\"url\":\"a\\u0000b\"}"u8.ToArray(), [400]);
        yield return Case("nothing", [], [400, 415]);
        yield return Case("null", "null"u8.ToArray(), [400]);
        yield return Case("a list", "[1,2,3]"u8.ToArray(), [400]);
        yield return ("a length that is too small", json + "Content-Length: 5\r\n", "{\"impression\":\"abc\"}"u8.ToArray(), [400]);
        yield return ("two lengths", json + "Content-Length: 2\r\nContent-Length: 3\r\n", "{} "u8.ToArray(), [400]);
        yield return ("a length and chunks", json + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "2\r\n{}\r\n0\r\n\r\n"u8.ToArray(), [400]);
        yield return ("broken chunks", json + "Transfer-Encoding: chunked\r\n", "zz\r\n{}\r\n"u8.ToArray(), [400]);
        yield return ("a negative length", json + "Content-Length: -1\r\n", "{}"u8.ToArray(), [400]);
    }

    private static byte[] Bomb()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
            for (var n = 0; n < 100; n++)
                gzip.Write(new byte[1 << 20]);
        return packed.ToArray();
    }

    /// <summary>The status of the first answer; 0 when the connection was closed without one.</summary>
    private static async Task<int> Send(Service service, string path, string token, string headers, byte[] body)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(service.Address.Host, service.Address.Port);
        await using var stream = client.GetStream();
        var head = $"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {Guid.NewGuid()}\r\nConnection: close\r\n{headers}\r\n";
        try
        {
            await stream.WriteAsync(Encoding.ASCII.GetBytes(head));
            var answering = Status(stream);
            try
            {
                await stream.WriteAsync(body);
            }
            catch (IOException)
            {
                // it has heard enough
            }
            return await answering;
        }
        catch (IOException)
        {
            return 0;
        }
    }

    private static async Task<int> Status(NetworkStream stream)
    {
        var text = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            while (await stream.ReadAsync(buffer, timeout.Token) is > 0 and var read)
            {
                text.Append(Encoding.ASCII.GetString(buffer, 0, read));
                if (text.Length > 12 && text.ToString().Contains("\r\n", StringComparison.Ordinal))
                    return int.Parse(text.ToString().AsSpan(9, 3));
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
        }
        return 0;
    }

    // a hundred clients that send a byte a second are cut off, and others are served meanwhile
    private static async Task Slow(Scene scene)
    {
        var work = new Work(scene);
        var token = Issuer.Shared.Token(Alliance.Township);
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60 * scene.Patience));
        var began = Stopwatch.GetTimestamp();
        var drips = Enumerable.Range(0, scene.Pick(10, 50, 100)).Select(_ => Drip(scene.Referral, token, stop.Token)).ToArray();
        await scene.Wait(1);
        var asked = Stopwatch.GetTimestamp();
        await work.Submit();
        scene.Within(1, Stopwatch.GetElapsedTime(asked).TotalSeconds, "a submission beside clients that drip");
        var ended = await Task.WhenAll(drips);
        scene.Within(30, Stopwatch.GetElapsedTime(began).TotalSeconds, "clients that drip are cut off after");
        scene.Expect(ended.All(s => s is 408 or 400 or 0), $"clients that drip were answered {string.Join(' ', ended.Distinct())}");
    }

    private static async Task<int> Drip(Service service, string token, CancellationToken ct)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(service.Address.Host, service.Address.Port, ct);
        await using var stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(
            $"POST /v1/referrals HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nIdempotency-Key: {Guid.NewGuid()}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"), ct);
        var answer = Status(stream);
        try
        {
            while (!answer.IsCompleted)
            {
                await stream.WriteAsync("1\r\na\r\n"u8.ToArray(), ct);
                await Task.WhenAny(answer, Task.Delay(1000, ct));
            }
        }
        catch (Exception e) when (e is IOException or OperationCanceledException)
        {
            if (ct.IsCancellationRequested)
                return -1;
        }
        return await answer;
    }
}
