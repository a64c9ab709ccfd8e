using System.Globalization;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X14: a service whose clock is ten minutes off orders by version and not by time, and keeps to its rules for tokens and signatures.</summary>
internal static class ClockSkew
{
    private static string Library => Directory.EnumerateDirectories("/usr/lib").Select(d => Path.Combine(d, "faketime", "libfaketimeMT.so.1"))
        .FirstOrDefault(File.Exists) ?? throw new SkippedException("libfaketime is not installed: apt-get install faketime");

    public static async Task Run(Scene scene)
    {
        var library = Library;
        scene.Alliance.CountFrom(DateTimeOffset.UtcNow.AddMinutes(-15));
        (string Service, int Minutes)[] all = [("referral", 10), ("referral", -10), ("scheduling", 10), ("scheduling", -10), ("notification", 10), ("notification", -10)];
        scene.Random.Shuffle(all);
        foreach (var (name, minutes) in all.Take(scene.Pick(1, 2, 6)))
            await Skewed(scene, library, name, minutes);
        await Reminders(scene, library);
        scene.Same(0, await Scene.Count(scene.Referral, "select count(*) from referral where triage_paused < interval '0'"), "negative durations");
        scene.Same(0, await Scene.Count(scene.Notification, "select count(*) from attempt where duration_ms < 0"), "negative durations of attempts");
    }

    private static async Task Skewed(Scene scene, string library, string name, int minutes)
    {
        var honest = scene.Alliance.Services.Single(s => s.Name == name);
        await honest.Stop();
        var skewed = await scene.Alliance.Another(name, s => Fake(s, library, $"{minutes:+0;-0}m"));
        try
        {
            var began = DateTimeOffset.UtcNow;
            var work = Work.Start(scene, writers: 3, pause: 0.1, deep: 1, at: () => name == "referral" ? skewed : scene.Referral);
            await scene.Wait(scene.Pick(4, 6, 10));
            await work.Stop();
            await Tokens(scene, skewed, minutes);
            if (name == "notification")
            {
                await FinalRead.Drains(scene.Alliance, (int)(30 * scene.Patience));
                await scene.Eventually(() => Task.FromResult(scene.Outside.Receiver.Received.Any(w => w.At >= began)), "a webhook of the skewed service", 20);
                // it signs what it believes; who follows the standard refuses what is older or newer than five minutes
                foreach (var webhook in scene.Outside.Receiver.Received.Where(w => w.At >= began.AddSeconds(2)))
                {
                    var off = long.Parse(webhook.Timestamp, CultureInfo.InvariantCulture) - webhook.At.ToUnixTimeSeconds();
                    scene.Expect(Math.Abs(off - minutes * 60) < 30, $"a webhook's timestamp is {off} s off, not {minutes * 60}");
                }
            }
        }
        finally
        {
            await skewed.Stop();
            await honest.Start();
        }
    }

    // by the clock of the service, with half a minute of tolerance
    private static async Task Tokens(Scene scene, Service skewed, int minutes)
    {
        async Task<int> Answer(TimeSpan expiresIn)
        {
            using var client = skewed.Anonymous();
            client.DefaultRequestHeaders.Authorization = new("Bearer", Issuer.Shared.Token(Alliance.Tertiary, expires: DateTime.UtcNow + expiresIn));
            using var answer = await client.GetAsync(skewed.Name switch
            {
                "referral" => "/v1/referrals?as=receiver&limit=1", "scheduling" => "/v1/slots?limit=1", _ => "/v1/events?limit=1",
            });
            return (int)answer.StatusCode;
        }
        // a token is good for nine hours: one that has just begun to be good, and one that is about to end
        scene.Same(minutes < 0 ? 401 : 200, await Answer(TimeSpan.FromHours(9) - TimeSpan.FromMinutes(1)), $"a fresh token at a clock {minutes} minutes off");
        scene.Same(minutes > 0 ? 401 : 200, await Answer(TimeSpan.FromMinutes(5)), $"a token that ends in five minutes at a clock {minutes} minutes off");
        scene.Same(minutes > 0 ? 401 : 200, await Answer(TimeSpan.FromMinutes(-5)), $"a token that ended five minutes ago at a clock {minutes} minutes off");
    }

    // two sweepers whose clocks say that days have passed: each reminder is told once
    private static async Task Reminders(Scene scene, string library)
    {
        var work = new Work(scene);
        var submitted = new List<Guid>();
        for (var n = 0; n < scene.Pick(3, 10, 20); n++)
            if (await work.Submit() is { } id)
                submitted.Add(id);
        var later = await Task.WhenAll(Enumerable.Range(0, 2).Select(_ => scene.Alliance.Another("referral", s => Fake(s, library, "+20h"))));
        await scene.Eventually(async () => await Scene.Count(scene.Referral,
            "select count(distinct referral_id) from history where verb = 'deadline-reached' and referral_id = any(@submitted)", new { submitted = submitted.ToArray() }) == submitted.Count, "reminders are told", 30);
        await scene.Wait(scene.Pick(2, 4, 6));
        foreach (var service in later)
            await service.Stop();
        var twice = await scene.Referral.Database.Query<string>("""
            select referral_id || ' ' || event || ' ' || coalesce(detail::text, '') from history where verb = 'deadline-reached'
            group by referral_id, event, detail, leg having count(*) > 1
            """);
        scene.Expect(twice.Count == 0, $"{twice.Count} reminders were told twice, e.g. {twice.FirstOrDefault()}");
        scene.Figure($"{await Scene.Count(scene.Referral, "select count(*) from history where verb = 'deadline-reached'")} reminders from two sweepers");
    }

    private static void Fake(Dictionary<string, string> settings, string library, string by)
    {
        settings["LD_PRELOAD"] = library;
        settings["FAKETIME"] = by;
        // timers measure as they should: a clock that is wrong is not one that runs fast
        settings["FAKETIME_DONT_FAKE_MONOTONIC"] = "1";
        settings["DONT_FAKE_MONOTONIC"] = "1";
    }
}
