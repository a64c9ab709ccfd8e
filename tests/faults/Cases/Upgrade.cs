using Deployed;
using ServiceDefaults.Storage;
using TestKit;

namespace Faults.Cases;

/// <summary>
/// X25: the next version's migrations run while this version serves, its events carry members and types that this
/// version does not know, and instances are exchanged one by one: nobody outside notices.
/// </summary>
internal static class Upgrade
{
    public static async Task Run(Scene scene)
    {
        var work = Work.Start(scene, writers: 6, deep: 0.5);
        await scene.Wait(scene.Pick(2, 3, 5));
        // what is added by expand-and-contract: columns without a default to compute, tables, indexes
        foreach (var service in scene.Alliance.Services)
        {
            scene.Same(1, await Migrations.Run(service.Database.Owner, typeof(Upgrade).Assembly), $"{service.Name}: migrations of the next version that ran");
            await scene.Wait(scene.Pick(0.5, 1, 2));
        }
        await Newer(scene);
        // one instance after the other, as a deployment does
        foreach (var service in scene.Alliance.Services)
        {
            var next = await scene.Alliance.Another(service.Name);
            await service.Stop();
            await scene.Wait(scene.Pick(0.5, 1, 2));
            await service.Start();
            await next.Stop();
        }
        await work.Stop();
        foreach (var answer in scene.Recorder.Answers.Where(a => a.Status is >= 500 and not 503))
            scene.Expect(false, $"during the upgrade: {answer}");
        scene.Expect(scene.Recorder.Answers.All(a => a.Status != 503), "requests were refused during the upgrade");
    }

    // events of the next version: a member more, and a type nobody here knows
    private static async Task Newer(Scene scene)
    {
        var work = new Work(scene);
        var id = await work.Submit() ?? throw new InvalidOperationException("nothing was submitted");
        // while the broker is away events wait in the table, and go out as they stand there: each gets members that only
        // the next version knows
        await scene.Alliance.StopBroker();
        await scene.Referral.Database.Execute("""
            create function test_newer() returns trigger language plpgsql as $$
            begin
                new.body := jsonb_set(jsonb_set(new.body::jsonb, '{nextversion}', '"yes"'), '{data,brandNewMember}', '{"a":[1,2]}')::text;
                return new;
            end $$;
            create trigger test_newer before insert on outbox for each row execute function test_newer()
            """);
        await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
        await scene.Alliance.StartBroker();
        await work.Booked(id);
        await scene.Referral.Database.Execute("drop function test_newer() cascade");
        await scene.Eventually(async () => await Scene.Count(scene.Notification,
            "select count(*) from event where referral_id = @id and type like '%.accepted' and body::jsonb -> 'data' ? 'brandNewMember'", new { id }) == 1,
            "an event of the next version stands in the log", 30);

        await using var wire = await Wire.Listen(scene.Alliance.RabbitMq, "referral-events");
        await work.Submit();
        await scene.Eventually(() => Task.FromResult(wire.All.Count > 0), "an event is on the wire", 10);
        await wire.Repeat([wire.All[0] with { Type = "referral.up.reincarnated" }]);
    }
}
