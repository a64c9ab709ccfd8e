using System.Diagnostics;
using System.Text.Json;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X24: what npm's <c>standardwebhooks</c> and <c>svix</c> say of our webhooks, of forged ones, old ones, and of a secret that is replaced.</summary>
internal static class WebhookForgery
{
    private sealed record Shown(string Id, long Timestamp, string Signature, string Body, string Secret, long Now);

    public static async Task Run(Scene scene)
    {
        await using var receiver = await Receiver.Open();
        var (first, old) = await Subscribe(scene, receiver.Address + "/one");
        var (second, another) = await Subscribe(scene, receiver.Address + "/two");
        var work = new Work(scene);
        await work.Submit();
        await scene.Eventually(() => Task.FromResult(receiver.Received.Count >= 2), "a webhook at each endpoint", 20);
        var right = Of(receiver.Received.First(w => w.Path == "/one"), old);

        using var rotated = await scene.Notification.As(Alliance.Tertiary, "Operator").Command($"/v1/endpoints/{first}/rotate-secret", ifMatch: "*");
        scene.Same(200, (int)rotated.StatusCode, "a secret is replaced");
        var fresh = (await rotated.Json()).GetProperty("secret").GetString()!;
        var within = await NextOf(scene, receiver, await work.Submit(), "a webhook within the overlap");
        await scene.Notification.Database.Execute("update endpoint_secret set expires_at = now() - interval '1 second' where endpoint_id = @first and expires_at is not null", new { first });
        var after = await NextOf(scene, receiver, await work.Submit(), "a webhook after the overlap");

        var flipped = Convert.FromBase64String(right.Signature["v1,".Length..]);
        flipped[scene.Random.Next(flipped.Length)] ^= (byte)(1 << scene.Random.Next(8));
        await Judge(scene,
            (right, true, "as it came"),
            (right with { Body = right.Body.Replace("\"sequence\":\"1\"", "\"sequence\":\"2\"", StringComparison.Ordinal) + " " }, false, "a changed body"),
            (right with { Signature = "v1," + Convert.ToBase64String(flipped) }, false, "a flipped bit"),
            (right with { Signature = right.Signature.Replace("v1,", "v0,", StringComparison.Ordinal) }, false, "another version"),
            (right with { Id = Guid.NewGuid().ToString() }, false, "another id"),
            (right with { Timestamp = right.Timestamp + 1 }, false, "another time"),
            (right with { Now = right.Timestamp + 299 }, true, "almost five minutes old"),
            (right with { Now = right.Timestamp + 301 }, false, "replayed after five minutes"),
            (right with { Now = right.Timestamp - 301 }, false, "from the future"),
            (right with { Secret = another }, false, "another endpoint's secret"),
            (Of(within, old), true, "the old secret within the overlap"),
            (Of(within, fresh), true, "the new secret within the overlap"),
            (Of(after, fresh), true, "the new secret after the overlap"),
            (Of(after, old), false, "the old secret after the overlap"));
        foreach (var id in new[] { first, second })
        {
            using var request = new HttpRequestMessage(HttpMethod.Delete, $"/v1/endpoints/{id}");
            request.Headers.TryAddWithoutValidation("If-Match", "*");
            using var deleted = await scene.Notification.As(Alliance.Tertiary, "Operator").SendAsync(request);
            scene.Expect(deleted.IsSuccessStatusCode, "an endpoint could not be deleted");
        }
    }

    // of that very referral: what an earlier one still had to tell was signed before
    private static async Task<Webhook> NextOf(Scene scene, Receiver receiver, Guid? referral, string what)
    {
        bool IsOf(Webhook w) => w.Path == "/one" && w.Body.Contains(referral.ToString()!, StringComparison.Ordinal);
        await scene.Eventually(() => Task.FromResult(receiver.Received.Any(IsOf)), what, 20);
        return receiver.Received.First(IsOf);
    }

    private static async Task<(Guid Id, string Secret)> Subscribe(Scene scene, string url)
    {
        using var answer = await Partner.Ask(scene.Notification, Alliance.Tertiary, url);
        var made = await answer.Json();
        return (made.GetProperty("id").GetGuid(), made.GetProperty("secret").GetString()!);
    }

    private static Shown Of(Webhook webhook, string secret)
    {
        var timestamp = long.Parse(webhook.Timestamp);
        return new(webhook.Id, timestamp, webhook.Signature, webhook.Body, secret, timestamp + 1);
    }

    private static async Task Judge(Scene scene, params (Shown Shown, bool Good, string What)[] cases)
    {
        var folder = Shell.Source("tests/notification/npm");
        if (!File.Exists("/usr/bin/node") && !File.Exists("/usr/local/bin/node"))
            throw new SkippedException("Node.js is not installed: apt-get install nodejs npm");
        if (!Directory.Exists(Path.Combine(folder, "node_modules")))
            await Shell.Run("sh", "-c", $"cd '{folder}' && npm ci --silent --no-audit --no-fund");
        using var node = Process.Start(new ProcessStartInfo("node", ["verify.mjs"]) { WorkingDirectory = folder, RedirectStandardInput = true, RedirectStandardOutput = true })!;
        await node.StandardInput.WriteAsync(JsonSerializer.Serialize(cases.Select(c => c.Shown), new JsonSerializerOptions(JsonSerializerDefaults.Web)));
        node.StandardInput.Close();
        using var verdicts = JsonDocument.Parse(await node.StandardOutput.ReadToEndAsync());
        await node.WaitForExitAsync();
        scene.Same(cases.Length, verdicts.RootElement.GetArrayLength(), "verdicts");
        foreach (var ((_, good, what), verdict) in cases.Zip(verdicts.RootElement.EnumerateArray()))
            foreach (var library in verdict.EnumerateObject())
                scene.Expect(library.Value.GetBoolean() == good, $"{library.Name} {(good ? "refuses" : "accepts")} {what}");
        scene.Figure($"{cases.Length} webhooks judged by two libraries");
    }
}
