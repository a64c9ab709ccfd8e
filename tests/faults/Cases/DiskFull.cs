using Deployed;
using TestKit;

namespace Faults.Cases;

/// <summary>X15: a full disk under the tables, then under PostgreSQL's journal: refused as such, nothing broken, all well once there is room.</summary>
internal static class DiskFull
{
    public static async Task Run(Scene scene)
    {
        await FullTables(scene);
        if (scene.Size != Size.Smoke)
            await FullJournal(scene);
    }

    private static async Task FullTables(Scene scene)
    {
        await using var disk = await SmallDisk.Mount(megabytes: 24);
        var database = scene.Referral.Database;
        await database.Execute($"create tablespace faults_small location '{disk.Folder}'");
        string[] tables = ["referral", "history", "outbox", "slip", "audit", "idempotency_key"];
        try
        {
            foreach (var table in tables)
                await database.Execute($"alter table {table} set tablespace faults_small");
            var load = Steady.Start(scene, perSecond: 20);
            await scene.Wait(2);
            disk.Fill();
            var full = load.Now;
            await scene.Eventually(() => Task.FromResult(load.Since(full).Any(a => a.Status == 507)), "somebody hears that there is no room", 30);
            await scene.Wait(scene.Pick(1, 3, 8));
            disk.Free();
            var freed = load.Now;
            await scene.Wait(5);
            var answers = await load.Stop();
            foreach (var answer in answers)
                scene.Expect(answer.Status is 201 or 507 or 503, $"tables on a full disk: {answer}");
            var good = answers.Where(a => a.At >= freed && a.Status == 201).Select(a => a.Ended - freed).DefaultIfEmpty(double.MaxValue).Min();
            scene.Within(5, good, "first good answer once there is room:");
            scene.Figure($"{answers.Count(a => a.Status == 507)} of {answers.Count} refused with 507");
        }
        finally
        {
            disk.Free();
            foreach (var table in tables)
                await database.Execute($"alter table {table} set tablespace pg_default");
            await database.Execute("drop tablespace faults_small");
        }
    }

    // PostgreSQL keeps old segments to write them anew: those are room, too
    private static async Task NextSegment(Scene scene)
    {
        try
        {
            await scene.Referral.Database.Execute("select pg_switch_wal()");
        }
        catch (Npgsql.NpgsqlException)
        {
            // it has stopped, or stops now
        }
    }

    // without room for its journal PostgreSQL stops; nothing acknowledged may be missing when it comes back
    private static async Task FullJournal(Scene scene)
    {
        var journal = Path.Combine(Servers.Folder, "postgres", "data", "pg_wal");
        await scene.Alliance.StopPostgres("fast");
        var size = (int)(Directory.EnumerateFiles(journal, "*", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length) >> 20);
        await using var disk = await SmallDisk.Mount(size + 20);
        await Shell.Run("cp", "-a", journal + "/.", disk.Folder);
        await Shell.Run("mv", journal, journal + ".aside");
        await Shell.Run("ln", "-s", disk.Folder, journal);
        try
        {
            await scene.Alliance.StartPostgres();
            var load = Steady.Start(scene, perSecond: 20);
            await scene.Wait(3);
            disk.Fill();
            await scene.Eventually(async () =>
            {
                await NextSegment(scene);
                return load.Since(0).Any(a => a.Status is 503 or 507);
            }, "somebody hears that it cannot be stored", 60);
            await scene.Wait(scene.Pick(1, 3, 8));
            disk.Free();
            await scene.Alliance.StartPostgres();
            var back = load.Now;
            await scene.Wait(5 * scene.Patience + 2);
            var answers = await load.Stop();
            foreach (var answer in answers)
                scene.Expect(answer.Status is 201 or 503 or 507, $"journal on a full disk: {answer}");
            scene.Expect(answers.Where(a => a.At > back + 5 * scene.Patience).All(a => a.Status == 201), "still refused after PostgreSQL is back with room");
            scene.Figure($"journal: {answers.Count(a => a.Status != 201)} of {answers.Count} refused");
        }
        finally
        {
            disk.Free();
            await scene.Alliance.StopPostgres("fast");
            await Shell.Run("rm", journal);
            await Shell.Run("mv", journal + ".aside", journal);
            // the journal that was kept aside is older than the data: what was written since lies on the small disk
            await Shell.Run("sh", "-c", $"rm -rf {journal}/* && cp -a {disk.Folder}/. {journal}/ && rm -f {journal}/ballast");
            await scene.Alliance.StartPostgres();
        }
    }
}
