using Deployed;

namespace Faults;

/// <summary>What the operating system says of a process.</summary>
internal static class Memory
{
    /// <summary>Resident memory in megabytes.</summary>
    public static double Of(Service service) => long.Parse(File.ReadLines($"/proc/{service.Pid}/status")
        .First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024.0;

    public static int OpenFiles(Service service) => Directory.GetFileSystemEntries($"/proc/{service.Pid}/fd").Length;
}
