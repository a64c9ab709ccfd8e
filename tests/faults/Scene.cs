using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Deployed;

namespace Faults;

/// <summary>How long a case may work: a smoke for every test run, a quick pass, or all that its description asks for.</summary>
internal enum Size { Smoke, Quick, Full }

/// <summary>One of the faults and abuses the system must survive.</summary>
/// <param name="Name">As in README.md, e.g. X9.</param>
/// <param name="Alone">Works with an alliance of its own, which ends with it.</param>
internal sealed record Case(string Name, string Says, Func<Scene, Task> Run, bool Alone = false);

/// <summary>A case that cannot be shown on this machine, and why.</summary>
internal sealed class SkippedException(string why) : Exception(why);

/// <summary>What a case works with, and what it finds out.</summary>
internal sealed class Scene(Alliance alliance, Outside outside, int seed, Size size, double patience, int minutes) : IAsyncDisposable
{
    private readonly ConcurrentQueue<string> _findings = new();
    private readonly ConcurrentQueue<string> _figures = new();
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    public Alliance Alliance => alliance;
    public Service Referral => alliance.Referral;
    public Service Scheduling => alliance.Scheduling;
    public Service Notification => alliance.Notification;
    public Outside Outside => outside;
    public Recorder Recorder { get; } = new();
    /// <summary>Everything that is left to chance comes from here: the same seed, the same case.</summary>
    public Random Random { get; } = new(seed);
    public Size Size => size;
    /// <summary>How much longer than stated things may take, on a machine that has other work.</summary>
    public double Patience => patience;
    public int Minutes => minutes;
    public double Elapsed => _clock.Elapsed.TotalSeconds;
    public IReadOnlyCollection<string> Findings => _findings;
    public IReadOnlyCollection<string> Figures => _figures;

    public T Pick<T>(T smoke, T quick, T full) => size switch { Size.Smoke => smoke, Size.Quick => quick, _ => full };

    /// <summary>Notes what does not hold; the case goes on, so that one fault does not hide the next.</summary>
    public void Expect(bool holds, string what)
    {
        // thousands of the same say no more than the first ones
        if (!holds && _findings.Count < 50)
            _findings.Enqueue(what);
    }

    public void Same<T>(T expected, T seen, string what) =>
        Expect(EqualityComparer<T>.Default.Equals(expected, seen), $"{what}: {seen}, not {expected}");

    /// <summary>A duration in seconds with its limit; the limit is stretched by <see cref="Patience"/>.</summary>
    public void Within(double limit, double seconds, string what)
    {
        Figure(string.Create(CultureInfo.InvariantCulture, $"{what} {seconds:0.00} s"));
        Expect(seconds <= limit * patience, string.Create(CultureInfo.InvariantCulture, $"{what} took {seconds:0.00} s, more than {limit * patience:0.#} s"));
    }

    public void Figure(string text) => _figures.Enqueue(text);

    public Task Wait(double seconds) => Task.Delay(TimeSpan.FromSeconds(seconds));

    /// <summary>Waits for what must come about; true when it did, a finding when it did not.</summary>
    public async Task<bool> Eventually(Func<Task<bool>> holds, string what, double seconds)
    {
        var began = Stopwatch.GetTimestamp();
        while (true)
        {
            if (await holds())
                return true;
            if (Stopwatch.GetElapsedTime(began).TotalSeconds > seconds * patience)
            {
                Expect(false, $"did not happen within {seconds * patience:0} s: {what}");
                return false;
            }
            await Task.Delay(50);
        }
    }

    /// <summary>The one number of a query on a service's database.</summary>
    public static async Task<long> Count(Service service, string sql, object? parameters = null) =>
        (await service.Database.Query<long>(sql, parameters))[0];

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
