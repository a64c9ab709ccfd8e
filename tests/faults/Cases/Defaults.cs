using System.Diagnostics;
using Deployed;

namespace Faults.Cases;

/// <summary>X27: a service that was not told what it needs, or only what a developer tells it, does not start and says why in one line.</summary>
internal static class Defaults
{
    public static async Task Run(Scene scene)
    {
        foreach (var service in Programs.All)
        {
            Dictionary<string, string> Production(params string[] without)
            {
                var settings = scene.Alliance.Settings(service);
                settings["ASPNETCORE_ENVIRONMENT"] = "Production";
                settings["ASPNETCORE_URLS"] = "http://127.0.0.1:0";
                settings.Remove("Auth__DevelopmentKeyFile");
                settings["Auth__Authority"] = "https://issuer.example";
                foreach (var name in without)
                    settings.Remove(name);
                return settings;
            }
            await Refuses(scene, service, "with nothing", new() { ["ASPNETCORE_ENVIRONMENT"] = "Production" });
            await Refuses(scene, service, "without a database", Production("ConnectionStrings__Database"), "Database");
            await Refuses(scene, service, "without a broker", Production("RabbitMq__Uri"), "RabbitMq");
            await Refuses(scene, service, "without an issuer", Production("Auth__Authority"), "Auth");
            var development = Production();
            development["Auth__DevelopmentKeyFile"] = scene.Alliance.Settings(service)["Auth__DevelopmentKeyFile"];
            await Refuses(scene, service, "with the development issuer's key", development, "DevelopmentKeyFile");
            await Refuses(scene, service, "without the shared key", Production("Codes__KeyFile"), "KeyFile");
            if (service == "referral")
                await Refuses(scene, service, "without the patients' key", Production("Patients__KeyFile"), "KeyFile");
            foreach (var (name, password) in new[] { ("ConnectionStrings__Database", "postgres"), ("RabbitMq__Uri", "guest") })
            {
                var weak = Production();
                weak[name] = name == "RabbitMq__Uri" ? $"amqp://guest:{password}@127.0.0.1:5672/referral" : $"Host=127.0.0.1;Username=postgres;Password={password};Database={service}";
                await Refuses(scene, service, $"with the default password '{password}'", weak, "password");
            }
        }
    }

    private static async Task Refuses(Scene scene, string service, string what, Dictionary<string, string> settings, string? names = null)
    {
        using var process = Process.Start(Programs.Start(service, settings))!;
        process.StandardInput.Close();
        var (output, errors) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(10 * scene.Patience));
        try
        {
            await process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            await process.WaitForExitAsync(CancellationToken.None);
            scene.Expect(false, $"{service} starts {what}");
            return;
        }
        var lines = ((await errors) + await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        scene.Expect(process.ExitCode != 0, $"{service} {what} ends as if all were well");
        scene.Expect(names is null || lines.Any(l => l.Contains(names, StringComparison.OrdinalIgnoreCase)), $"{service} {what} does not say what is missing: {lines.FirstOrDefault()}");
        scene.Expect(!lines.Any(l => l.TrimStart().StartsWith("at ", StringComparison.Ordinal)) && lines.Length <= 3, $"{service} {what} says it in {lines.Length} lines: {lines.FirstOrDefault()}");
    }
}
