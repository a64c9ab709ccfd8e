using System.Globalization;

namespace Faults;

/// <summary>What the command line asked for.</summary>
internal sealed record Options(IReadOnlyList<Case> Cases, IReadOnlyList<int> Seeds, Size Size, double Patience, int Minutes)
{
    public static Options? Read(string[] args)
    {
        var cases = Catalogue.All;
        IReadOnlyList<int> seeds = [Random.Shared.Next(1, 1_000_000)];
        var (size, patience, minutes) = (Size.Full, 1.0, 30);
        for (var i = 0; i < args.Length; i++)
        {
            string? Value() => i + 1 < args.Length ? args[++i] : null;
            switch (args[i])
            {
                case "--quick":
                    size = Size.Quick;
                    break;
                case "--smoke":
                    size = Size.Smoke;
                    break;
                case "--case" when Value() is { } names:
                    var wanted = names.Split(',').SelectMany(Names).ToArray();
                    if (wanted.FirstOrDefault(n => !Catalogue.All.Any(c => Is(c, n))) is { } unknown)
                        return Fail($"There is no case {unknown}; there are {string.Join(' ', Catalogue.All.Select(c => c.Name))}.");
                    cases = [.. Catalogue.All.Where(c => wanted.Any(n => Is(c, n)))];
                    break;
                case "--seed" when Value() is { } list && list.Split(',') is var parts && parts.All(p => int.TryParse(p, out _)):
                    seeds = [.. parts.Select(int.Parse)];
                    break;
                case "--minutes" when int.TryParse(Value(), out var m) && m > 0:
                    minutes = m;
                    break;
                case "--patience" when double.TryParse(Value(), CultureInfo.InvariantCulture, out var p) && p >= 1:
                    patience = p;
                    break;
                default:
                    return Fail($"'{args[i]}' is not understood: see tests/faults/run --help.");
            }
        }
        return new(cases, seeds, size, patience, minutes);
    }

    private static bool Is(Case c, string name) => c.Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    // X1-X7 is all of them
    private static IEnumerable<string> Names(string text) =>
        text.Split('-') is [var from, var to] && int.TryParse(from[1..], out var first) && int.TryParse(to.TrimStart('X', 'x'), out var last)
            ? Enumerable.Range(first, Math.Max(0, last - first + 1)).Select(n => "X" + n) : [text];

    private static Options? Fail(string why)
    {
        Console.Error.WriteLine(why);
        return null;
    }
}
