using System.Text.Json.Nodes;
using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X22: whatever goes well or wrong with a patient's values, they are found in no log, metric, event, statement or refusal.</summary>
internal static class Redaction
{
    public static async Task Run(Scene scene)
    {
        await using var referrals = await Wire.Listen(scene.Alliance.RabbitMq, "referral-events");
        var postgres = new FileInfo(Path.Combine(Servers.Folder, "postgres", "server.log"));
        var (logged, brokerLogged) = (postgres.Exists ? postgres.Length : 0, BrokerLog());
        var work = Work.Start(scene, writers: 4, deep: 0.8);
        using var stop = new CancellationTokenSource();
        var watching = Task.Run(() => Watch(scene, stop.Token));
        await Wrong(scene);
        await scene.Wait(scene.Pick(3, 6, 15));
        // trouble makes programs talkative
        await scene.Alliance.StopPostgres("immediate");
        await scene.Wait(1);
        await scene.Alliance.StartPostgres();
        await scene.Scheduling.Kill();
        await scene.Scheduling.Start();
        await work.Stop();
        await stop.CancelAsync();
        await watching;
        await FinalRead.Drains(scene.Alliance, (int)(30 * scene.Patience));

        scene.Expect(!referrals.All.Any(h => Patients.AppearIn(System.Text.Encoding.UTF8.GetString(h.Body))), "an event on the wire tells a patient's value");
        scene.Expect(!Patients.AppearIn(await Tail(postgres.FullName, logged)), "PostgreSQL's log tells a patient's value");
        foreach (var (file, length) in brokerLogged)
            scene.Expect(!Patients.AppearIn(await Tail(file, length)), "the broker's log tells a patient's value");
        await Lists(scene);
    }

    private static Dictionary<string, long> BrokerLog() => Directory.Exists(Path.Combine(Servers.Folder, "broker", "log"))
        ? Directory.GetFiles(Path.Combine(Servers.Folder, "broker", "log"), "*.log").ToDictionary(f => f, f => new FileInfo(f).Length) : [];

    private static async Task<string> Tail(string file, long from)
    {
        await using var stream = File.Open(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        stream.Seek(Math.Min(from, stream.Length), SeekOrigin.Begin);
        return await new StreamReader(stream).ReadToEndAsync();
    }

    // what is running in the database at any moment: parameters are no part of a statement
    private static async Task Watch(Scene scene, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            try
            {
                var seen = await Scene.Count(scene.Referral, "select count(*) from pg_stat_activity where pid <> pg_backend_pid() and query ~ @marks", new { marks = Patients.Marks });
                scene.Expect(seen == 0, "a running statement shows a patient's value");
            }
            catch (Npgsql.NpgsqlException)
            {
                // it is away, as it shall be
            }
            await Task.Delay(50, CancellationToken.None);
        }
    }

    // slips that are refused in every way there is, each with a patient's values
    private static async Task Wrong(Scene scene)
    {
        foreach (var change in new Action<JsonObject>[]
        {
            s => s["patient"]!["idNo"] = s["patient"]!["idNo"]!.GetValue<string>()[..17] + "Y",
            s => s["patient"]!["sex"] = s["patient"]!["name"]!.GetValue<string>(),
            s => s["patient"]!["birthDate"] = s["patient"]!["phone"]!.GetValue<string>(),
            s => s["to"]!["institution"] = s["patient"]!["phone"]!.GetValue<string>(),
            s => s["to"]!["department"] = s["patient"]!["name"]!.GetValue<string>(),
            s => s["patient"]!["age"] = s["patient"]!["idNo"]!.GetValue<string>(),
            s => s["purposes"] = new JsonArray(s["patient"]!["name"]!.GetValue<string>()),
            s => s["referrer"]!["doctor"] = new string('甄', 1) + s["patient"]!["name"]!.GetValue<string>() + new string('x', 100),
            s => s["diagnosis"]!["code"] = "\u0000" + s["patient"]!["name"]!.GetValue<string>(),
            s => s["impression"] = s["patient"]!["name"]!.GetValue<string>() + new string('a', 3000),
        })
        {
            var slip = Patients.Slip();
            change(slip);
            var answer = await Load.Ask("wrong", scene.Elapsed, () => A.Submission(scene.Referral, Guid.NewGuid().ToString(), slip));
            scene.Recorder.Heard(answer);
            scene.Expect(answer.Status is 400 or 422 || answer.Status == 404, $"a wrong slip: {answer}");
        }
    }

    // names are masked for whoever only looks through a list
    private static async Task Lists(Scene scene)
    {
        foreach (var path in new[] { "/v1/referrals?as=receiver&limit=100", "/v1/referrals?as=receiver&open=true&limit=100" })
        {
            using var answer = await scene.Referral.As(Alliance.Tertiary).GetAsync(path);
            var body = await answer.Content.ReadAsStringAsync();
            scene.Same(200, (int)answer.StatusCode, path);
            scene.Expect(!Patients.AppearIn(body), "a list tells a patient's value");
        }
    }
}
