using System.Diagnostics;
using Deployed;

namespace Load;

/// <summary>From a killed process to one that answers, one service after the other with nothing else at work.</summary>
internal sealed class Starts(Alliance alliance)
{
    private const int Rounds = 5;

    /// <summary>How long a start takes, and the CPU it costs the service itself.</summary>
    public async Task<IReadOnlyList<Result>> Measure()
    {
        var usage = new Usage(alliance);
        var results = new List<Result>();
        foreach (var service in alliance.Services)
        {
            var (milliseconds, cpu) = (new List<double>(), 0.0);
            for (var round = 0; round < Rounds; round++)
            {
                await service.Kill();
                await usage.AtRest();
                var clock = Stopwatch.StartNew();
                await service.Start();
                milliseconds.Add(clock.Elapsed.TotalMilliseconds);
                // of a process that has just begun: all it used
                cpu += usage.CpuSeconds()[service.Name];
            }
            results.Add(Result.Of($"start of {service.Name}", milliseconds.Sum() / 1000, milliseconds, []) with { PerSecond = null, CpuMs = cpu * 1000 / Rounds });
        }
        return results;
    }
}
