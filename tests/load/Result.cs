namespace Load;

/// <summary>What a step measured. A step that saw an error shows no number: it measured something else.</summary>
/// <param name="PerSecond">Successes per second; null where a rate says nothing.</param>
/// <param name="Percentiles">50, 95 and 99 of 100, in milliseconds.</param>
internal sealed record Result(string Name, double? PerSecond, double[]? Percentiles)
{
    /// <summary>To the yardstick of the same run; absolute figures drift from machine to machine.</summary>
    public double? Ratio { get; init; }
    public IReadOnlyList<Bar> Bars { get; init; } = [];
    public int Errors { get; init; }
    public int Count { get; init; }
    public string? FirstError { get; init; }
    /// <summary>CPU milliseconds of services, database and broker for each success.</summary>
    public double? CpuMs { get; init; }
    /// <summary>The same of each part.</summary>
    public IReadOnlyDictionary<string, double> Parts { get; init; } = new Dictionary<string, double>();
    /// <summary>CPU milliseconds that the asking itself took.</summary>
    public double? LoadMs { get; init; }
    /// <summary>How much of all cores was used; far below one, the step waited for something.</summary>
    public double? Busy { get; init; }

    public static Result Of(string name, double seconds, IReadOnlyCollection<double> milliseconds, IReadOnlyCollection<string> errors)
    {
        var sorted = milliseconds.Order().ToArray();
        double P(double p) => sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * p))];
        return new(name, sorted.Length / seconds, [P(0.5), P(0.95), P(0.99)])
        {
            Errors = errors.Count, Count = sorted.Length, FirstError = errors.FirstOrDefault(),
        };
    }

    public Result Named(string name) => this with { Name = name };

    /// <summary>Judged beside the yardstick of the same run.</summary>
    public Result Beside(Result yardstick, double atLeast)
    {
        var ratio = PerSecond!.Value / yardstick.PerSecond!.Value;
        return (this with { Ratio = ratio }).Judged($"≥ {atLeast:0.000} ×", ratio >= atLeast);
    }

    /// <summary>How quick it is beside another run of the same step, by the medians: one is as quick.</summary>
    public Result AsQuickAs(Result other, double atLeast)
    {
        var ratio = other.Percentiles![0] / Percentiles![0];
        return (this with { Ratio = ratio }).Judged($"≥ {atLeast:0.000} ×", ratio >= atLeast);
    }

    public Result P50Within(double milliseconds) => Judged($"p50 ≤ {milliseconds:0} ms", Percentiles![0] <= milliseconds);

    public Result P95Within(double milliseconds) => Judged($"p95 ≤ {milliseconds:0} ms", Percentiles![1] <= milliseconds);

    public Result Judged(string bar, bool met) => this with { Bars = [.. Bars, new(bar, met && Errors == 0)] };

    public static string Head => $"{"what",-58} {"per second",10} {"p50 ms",8} {"p95 ms",8} {"p99 ms",8} {"CPU ms",7} {"asking",7} {"busy",5} {"ratio",7}  bars";

    public override string ToString() => Errors > 0
        ? $"{Name,-58} {Errors} errors, no figure: {FirstError}"
        : $"{Name,-58} {PerSecond,10:0} {At(0),8:0.0} {At(1),8:0.0} {At(2),8:0.0} {CpuMs,7:0.00} {LoadMs,7:0.00} {Busy,5:P0} {Ratio,7:0.000}  {string.Join(", ", Bars)}{Each}".TrimEnd();

    private string Each => Parts.Count == 0 ? "" : $"  ({string.Join(", ", Parts.Select(p => $"{p.Key} {p.Value:0.0}"))})";

    private double? At(int i) => Percentiles?[i];
}

/// <summary>What a figure has to keep.</summary>
internal sealed record Bar(string Text, bool Met)
{
    public override string ToString() => $"{Text} {(Met ? "met" : "MISSED")}";
}
