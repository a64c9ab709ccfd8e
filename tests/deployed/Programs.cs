using System.Collections;
using System.Diagnostics;
using TestKit;

namespace Deployed;

/// <summary>The published programs of the three services, and the environment they are started with.</summary>
public static class Programs
{
    public static readonly IReadOnlyList<string> All = ["referral", "scheduling", "notification"];

    private static readonly string Dotnet = Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    private static string Folder(string service) => Path.Combine(Servers.Apps, service);

    private static string Assembly(string service) => service switch
    {
        "referral" => "ReferralService.dll",
        "scheduling" => "SchedulingService.dll",
        "notification" => "NotificationService.dll",
        _ => throw new ArgumentOutOfRangeException(nameof(service), service, "no such service"),
    };

    /// <summary>How a program is started: with the settings given and nothing of the test runner's own environment.</summary>
    public static ProcessStartInfo Start(string service, IReadOnlyDictionary<string, string> settings, params string[] arguments) =>
        Start(service, settings, [], arguments);

    /// <param name="through">A program that becomes the service, as words before its own.</param>
    public static ProcessStartInfo Start(string service, IReadOnlyDictionary<string, string> settings, IReadOnlyList<string> through, IReadOnlyList<string> arguments)
    {
        string[] words = [.. through, Dotnet, Assembly(service), .. arguments];
        var start = new ProcessStartInfo(words[0], words[1..])
        {
            WorkingDirectory = Folder(service),
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment.Clear();
        foreach (DictionaryEntry inherited in Environment.GetEnvironmentVariables())
            // REFERRAL_TEST_SERVERS is how tests/run finds what an interrupted test left running
            if (inherited.Key is "PATH" or "HOME" or "TZ" or "DOTNET_ROOT" or "REFERRAL_TEST_SERVERS")
                start.Environment[(string)inherited.Key] = (string?)inherited.Value;
        start.Environment["LANG"] = "C.UTF-8";
        foreach (var (name, value) in settings)
            start.Environment[name] = value;
        return start;
    }

    /// <summary>Runs <c>migrate</c> or <c>import</c> to its end; what it printed is in the failure.</summary>
    public static async Task Run(string service, IReadOnlyDictionary<string, string> settings, params string[] arguments)
    {
        using var process = Process.Start(Start(service, settings, arguments))!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
        }
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{service} {string.Join(' ', arguments)} ended with {process.ExitCode}:\n{await output}{await errors}");
    }
}
