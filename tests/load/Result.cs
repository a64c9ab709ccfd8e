namespace Load;

/// <summary>What a step measured. A step that saw an error shows no number: it measured something else.</summary>
/// <param name="PerSecond">Successes per second.</param>
/// <param name="Ratio">To the yardstick of the same run; absolute figures drift from machine to machine.</param>
internal sealed record Result(string Name, double PerSecond, double[]? Percentiles, double? Ratio)
{
    public double? Bar { get; init; }
    public int Errors { get; init; }
    public int Count { get; init; }
    public string? FirstError { get; init; }
    public bool Met => Errors == 0 && Ratio >= Bar;

    public Result Beside(double yardstick, double bar) => this with { Ratio = PerSecond / yardstick, Bar = bar };

    public Result Named(string name) => this with { Name = name };

    public override string ToString() => Errors > 0
        ? $"{Name,-58} {Errors} errors, no figure: {FirstError}"
        : $"{Name,-58} {PerSecond,10:0} {At(0),8:0.0} {At(1),8:0.0} {At(2),8:0.0} {Ratio,7:0.000} {Bar,6:0.000}";

    private double? At(int i) => Percentiles?[i];

    public static Result Of(string name, double seconds, IReadOnlyCollection<double> milliseconds, IReadOnlyCollection<string> errors)
    {
        var sorted = milliseconds.Order().ToArray();
        double P(double p) => sorted.Length == 0 ? 0 : sorted[Math.Min(sorted.Length - 1, (int)(sorted.Length * p))];
        return new(name, sorted.Length / seconds, [P(0.5), P(0.95), P(0.99)], null)
        {
            Errors = errors.Count, Count = sorted.Length, FirstError = errors.FirstOrDefault(),
        };
    }
}
