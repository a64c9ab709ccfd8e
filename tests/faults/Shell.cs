using System.Diagnostics;
using TestKit;

namespace Faults;

/// <summary>Programs of the operating system.</summary>
internal static class Shell
{
    /// <summary>A file of the source tree, by its path from the root.</summary>
    public static string Source(string path) => Generated.Source(path);

    public static async Task<string> Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true })!;
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? await output : throw new InvalidOperationException($"{program} ended with {process.ExitCode}: {await errors}");
    }
}
