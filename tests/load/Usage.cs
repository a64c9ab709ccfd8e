using System.Collections.Immutable;
using Deployed;

namespace Load;

/// <summary>What the operating system accounts: CPU of services, database and broker, memory of the services.</summary>
internal sealed class Usage(Alliance alliance)
{
    private readonly string _servers = Environment.GetEnvironmentVariable("REFERRAL_TEST_SERVERS")
        ?? throw new InvalidOperationException("Start this with tests/load/run, which starts the servers.");

    /// <summary>CPU seconds since their start, by part: the three services, PostgreSQL, RabbitMQ.</summary>
    public ImmutableSortedDictionary<string, double> CpuSeconds() => alliance.Services
        .Select(s => KeyValuePair.Create(s.Name, CpuOf(s.Pid)))
        .Append(KeyValuePair.Create("PostgreSQL", Postgres()))
        .Append(KeyValuePair.Create("RabbitMQ", CpuOf(int.Parse(File.ReadAllText(Path.Combine(_servers, "run", "broker.pid"))))))
        .ToImmutableSortedDictionary();

    /// <summary>Waits until what earlier steps left in queues and logs is worked off: less than a quarter of a core is used.</summary>
    public async Task AtRest()
    {
        double spent = CpuSeconds().Values.Sum(), last;
        for (var waited = 0; waited < 120; waited++)
        {
            await Task.Delay(500);
            (last, spent) = (spent, CpuSeconds().Values.Sum());
            if (spent - last < 0.12)
                return;
        }
    }

    /// <summary>CPU seconds of this program, which shares the cores with what it measures.</summary>
    public static double OwnCpuSeconds() => CpuOf(Environment.ProcessId);

    /// <summary>What a step costs in CPU beside how fast it is; work that it leaves behind in queues belongs to it as far as it was done meanwhile.</summary>
    public async Task<Result> Of(Func<Task<Result>> step)
    {
        await AtRest();
        var (parts, own, clock) = (CpuSeconds(), OwnCpuSeconds(), System.Diagnostics.Stopwatch.StartNew());
        var result = await step();
        var (after, seconds) = (CpuSeconds(), clock.Elapsed.TotalSeconds);
        double spent = after.Sum(p => p.Value - parts[p.Key]), load = OwnCpuSeconds() - own;
        return result.Count == 0 ? result : result with
        {
            CpuMs = spent * 1000 / result.Count, LoadMs = load * 1000 / result.Count, Busy = (spent + load) / seconds / Environment.ProcessorCount,
            Parts = after.ToDictionary(p => p.Key, p => (p.Value - parts[p.Key]) * 1000 / result.Count),
        };
    }

    /// <summary>Resident megabytes of each service; pages of the runtime that they share count for each its part.</summary>
    public IEnumerable<KeyValuePair<string, long>> Megabytes() => alliance.Services.Select(s =>
        KeyValuePair.Create(s.Name, long.Parse(File.ReadLines($"/proc/{s.Pid}/smaps_rollup")
            .First(l => l.StartsWith("Pss:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) / 1024));

    // the server, with the children it has buried, and the children that live
    private double Postgres()
    {
        var server = int.Parse(File.ReadLines(Path.Combine(_servers, "postgres", "data", "postmaster.pid")).First());
        return CpuOf(server) + Directory.GetDirectories("/proc").Select(Path.GetFileName)
            .Where(name => int.TryParse(name, out _)).Select(int.Parse!).Where(pid => ParentOf(pid) == server).Sum(CpuOf);
    }

    private static int ParentOf(int pid) => Fields(pid) is { } fields ? int.Parse(fields[1]) : 0;

    // fields 14 to 17 of stat, in hundredths of a second
    private static double CpuOf(int pid) => Fields(pid) is { } fields ? fields[11..15].Sum(long.Parse) / 100.0 : 0;

    private static string[]? Fields(int pid)
    {
        try
        {
            return File.ReadAllText($"/proc/{pid}/stat").Split(')')[^1].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        }
        catch (IOException)
        {
            // it ended meanwhile
            return null;
        }
    }
}
