using Deployed;

namespace Load;

/// <summary>What the operating system accounts: CPU of services, database and broker, memory of the services.</summary>
internal sealed class Usage(Alliance alliance)
{
    /// <summary>CPU seconds since their start of the services, of PostgreSQL and of RabbitMQ.</summary>
    public double CpuSeconds() => Processes().Sum(CpuOf);

    public long MemoryMegabytes() => alliance.Services.Sum(s => long.Parse(File.ReadLines($"/proc/{s.Pid}/status")
        .First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1])) / 1024;

    private IEnumerable<int> Processes() => alliance.Services.Select(s => s.Pid).Concat(
        Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Select(int.Parse!)
            .Where(pid => NameOf(pid) is "postgres" or "beam.smp"));

    private static string NameOf(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/comm").Trim();
        }
        catch (IOException)
        {
            return "";
        }
    }

    // the children a PostgreSQL server has already buried count too: fields 14 to 17 of stat
    private static double CpuOf(int pid)
    {
        try
        {
            var fields = File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            return fields[11..15].Sum(long.Parse) / 100.0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
}
