namespace Conformance;

/// <summary>Checks a receiver of webhooks from the command line; see README.md.</summary>
internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        var (url, secret, state) = (Argument(args, "--url"), Argument(args, "--secret"), Argument(args, "--state"));
        if (secret is null || !Uri.TryCreate(url, UriKind.Absolute, out var address))
        {
            await Console.Error.WriteLineAsync("Conformance --url ADDRESS --secret whsec_… [--state ADDRESS]: see tests/conformance/README.md.");
            return 2;
        }
        using var check = new ReceiverCheck(address, secret, state is null ? null : new Uri(state), Path.Combine(AppContext.BaseDirectory, "golden"), ReceiverCheck.Usual);
        var wrong = await check.Run();
        foreach (var line in wrong)
            Console.WriteLine("wrong: " + line);
        Console.WriteLine($"{check.Sent} messages sent, {wrong.Count} thing(s) wrong; the slowest answer took {check.Slowest.TotalMilliseconds:0} ms");
        return wrong.Count == 0 ? 0 : 1;
    }

    private static string? Argument(string[] args, string name) => Array.IndexOf(args, name) is >= 0 and var i && i + 1 < args.Length ? args[i + 1] : null;
}
