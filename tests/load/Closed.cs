using System.Collections.Concurrent;
using System.Diagnostics;

namespace Load;

/// <summary>A closed loop: each client asks again as soon as it has its answer.</summary>
internal static class Closed
{
    /// <summary>For so many seconds, or until <paramref name="once"/> has nothing left to do and returns false.</summary>
    public static async Task<Result> Loop(string name, int clients, int seconds, Func<Task<bool>> once)
    {
        var (times, errors) = (new ConcurrentBag<double>(), new ConcurrentBag<string>());
        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            while (clock.Elapsed.TotalSeconds < seconds)
            {
                var began = clock.Elapsed;
                try
                {
                    if (!await once())
                        return;
                    times.Add((clock.Elapsed - began).TotalMilliseconds);
                }
                catch (Exception e) when (e is HttpRequestException or InvalidOperationException or TaskCanceledException or TimeoutException)
                {
                    errors.Add(e.Message);
                    if (errors.Count > 20)
                        return;
                }
            }
        })));
        return Result.Of(name, clock.Elapsed.TotalSeconds, times, errors);
    }
}
