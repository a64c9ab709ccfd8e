namespace Faults;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        if (Options.Read(args) is not { } options)
            return 2;
        var report = await new Run(options, Console.WriteLine).Cases();
        Console.WriteLine();
        foreach (var outcome in report)
            Console.WriteLine(outcome.Line);
        var broken = report.Count(o => o.Findings.Count > 0);
        var skipped = report.Count(o => o.Skipped is not null);
        Console.WriteLine($"{report.Count - broken - skipped} held, {broken} broken{(skipped > 0 ? $", {skipped} skipped" : "")}");
        return broken > 0 || report.Count == skipped ? 1 : 0;
    }
}
