using Deployed;

namespace Faults.Cases;

/// <summary>
/// X6: half of all events are taken aside on their way and let go later in any order. The consumers end where they
/// would have ended, and never go back.
/// </summary>
internal static class OutOfOrder
{
    // what is committed to the outbox is committed to a table beside it instead, until the case lets it go
    private const string Divert = """
        create table if not exists test_aside (like outbox);
        grant all on test_aside to public;
        create or replace function test_aside() returns trigger language plpgsql as $$
        begin
            if pg_trigger_depth() = 1 and random() < 0.5 then
                insert into test_aside select new.*;
                return null;
            end if;
            return new;
        end $$;
        create trigger test_aside before insert on outbox for each row execute function test_aside()
        """;

    private const string LetGo = """
        with gone as (delete from test_aside where id in (select id from test_aside order by random() limit @limit) returning *)
        insert into outbox (message_id, exchange, routing_key, body)
        select message_id, exchange, routing_key, body from gone order by random()
        """;

    public static async Task Run(Scene scene)
    {
        Service[] diverted = [scene.Referral, scene.Scheduling];
        foreach (var service in diverted)
            await service.Database.Execute(Divert);
        using var stop = new CancellationTokenSource();
        var letting = Task.Run(() => LetGoAtRandom(diverted, new(scene.Random.Next()), stop.Token));
        try
        {
            var work = Work.Start(scene, writers: 6, pause: 0.1, deep: 0.7);
            var endings = Endings(scene, scene.Pick(6, 20, 60));
            await scene.Wait(scene.Pick(4, 8, 40));
            await work.Stop();
            await endings;
        }
        finally
        {
            await stop.CancelAsync();
            await letting;
            foreach (var service in diverted)
            {
                await service.Database.Execute("drop function if exists test_aside() cascade");
                await service.Database.Execute(LetGo, new { limit = 1_000_000 });
                await service.Database.Execute("drop table test_aside");
            }
        }
        await FinalRead.Drains(scene.Alliance, (int)(Invariants.DrainsWithin * scene.Patience));
        // ended: nothing is held any more; alive: it stands where scheduling says
        scene.Same(0, await Scene.Count(scene.Scheduling, """
            select count(*) from booking b join need n on n.referral_id = b.referral_id
            where b.state in ('Held', 'Booked') and n.state in ('Cancelled', 'Declined', 'Expired', 'Closed', 'Completed')
            """), "places held for referrals that have ended");
        var ended = await scene.Referral.Database.Query<Guid>("select id from referral where ended_at >= @Began", new { scene.Alliance.Began });
        var known = await scene.Scheduling.Database.Query<Guid>("select referral_id from need where state = 'Cancelled'");
        scene.Expect(ended.All(known.Contains), "scheduling does not know of a referral that ended");
        scene.Figure($"{ended.Count} cancelled while their acceptance was still on its way");
    }

    // the acceptance may come after the cancellation that undoes it
    private static async Task Endings(Scene scene, int count)
    {
        var work = new Work(scene);
        for (var n = 0; n < count; n++)
            if (await work.Submit() is { } id)
            {
                await work.Move(id, "accept", Alliance.Tertiary, new { department = "03.03" });
                if (await work.Move(id, "request-cancellation", Alliance.Township, new { reason = "PATIENT_WITHDRAW" }))
                    await work.Move(id, "confirm-cancellation", Alliance.Tertiary);
            }
    }

    private static async Task LetGoAtRandom(Service[] services, Random random, CancellationToken ct)
    {
        while (!ct.IsCancellationRequested)
        {
            await Task.Delay(random.Next(20, 400), CancellationToken.None);
            foreach (var service in services)
                await service.Database.Execute(LetGo, new { limit = random.Next(1, 20) });
        }
    }
}
