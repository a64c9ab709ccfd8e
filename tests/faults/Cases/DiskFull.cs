using System.Diagnostics;
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
            await scene.Eventually(() => Task.FromResult(load.Since(0).Any(a => a.Status is 503 or 507)), "somebody hears that it cannot be stored", 60);
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

/// <summary>A disk of a few megabytes in memory.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private SmallDisk(string folder) => Folder = folder;

    public string Folder { get; }
    private string Ballast => Path.Combine(Folder, "ballast");

    public static async Task<SmallDisk> Mount(int megabytes)
    {
        if (!Environment.IsPrivilegedProcess)
            throw new SkippedException("mounting a small disk needs root");
        var folder = Path.Combine(Servers.Folder, "small-" + Guid.NewGuid().ToString("n")[..6]);
        Directory.CreateDirectory(folder);
        try
        {
            await Shell.Run("mount", "-t", "tmpfs", "-o", $"size={megabytes}m,mode=0700", "tmpfs", folder);
        }
        catch (InvalidOperationException e)
        {
            throw new SkippedException("mounting a small disk is not possible here: " + e.Message);
        }
        await Shell.Run("chown", "postgres:", folder);
        return new(folder);
    }

    /// <summary>Takes all the room there is.</summary>
    public void Fill()
    {
        using var file = File.Open(Ballast, FileMode.Append);
        try
        {
            var block = new byte[64 * 1024];
            while (true)
            {
                file.Write(block);
                file.Flush();
            }
        }
        catch (IOException)
        {
        }
    }

    public void Free() => File.Delete(Ballast);

    public async ValueTask DisposeAsync()
    {
        await Shell.Run("umount", "--lazy", Folder);
        Directory.Delete(Folder);
    }
}

/// <summary>Programs of the operating system.</summary>
internal static class Shell
{
    public static async Task<string> Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {await errors}");
    }
}
