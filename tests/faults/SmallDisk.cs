using TestKit;

namespace Faults;

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
