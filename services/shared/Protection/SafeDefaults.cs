using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Configuration.CommandLine;
using Microsoft.Extensions.Configuration.Json;
using Microsoft.Extensions.Hosting;
using Npgsql;

namespace ServiceDefaults.Protection;

/// <summary>Settings that Production must not start with; the message names each in one line.</summary>
public sealed class UnsafeSettings(IReadOnlyList<string> findings)
    : InvalidOperationException(string.Join(Environment.NewLine, findings.Select(f => "Production does not start: " + f)))
{
    public IReadOnlyList<string> Findings => findings;
}

/// <summary>A setting without which the service cannot start; the message names it in one line.</summary>
public sealed class MissingSetting(string message) : InvalidOperationException(message);

/// <summary>
/// Production refuses to start with development keys, default passwords, secrets in checked-in files or command lines,
/// or without a word on who terminates TLS. Outside Production nothing is refused.
/// </summary>
public static class SafeDefaults
{
    private static readonly string[] Secrets = ["ConnectionStrings:Database", "ConnectionStrings:Owner", "ConnectionStrings:Reader", "RabbitMq:Uri"];

    private static readonly string[] Needed = ["ConnectionStrings:Database", "RabbitMq:Uri", "Codes:KeyFile"];

    private static readonly HashSet<string> WellKnown = new(StringComparer.OrdinalIgnoreCase)
    {
        "guest", "postgres", "password", "passw0rd", "admin", "administrator", "root", "rabbitmq", "referral", "scheduling", "notification",
        "changeme", "change-me", "secret", "test", "123456", "12345678", "123456789012",
    };

    public static void RequireSafeSettings(this WebApplicationBuilder builder)
    {
        // a folder with one file per secret, as container platforms mount them: ConnectionStrings__Database and so on
        if (builder.Configuration["Secrets:Folder"] is { } folder)
            builder.Configuration.AddKeyPerFile(folder, optional: false);
        if (!builder.Environment.IsProduction())
            return;
        AppDomain.CurrentDomain.UnhandledException += (_, e) =>
        {
            if (e.ExceptionObject is not InvalidOperationException reason || reason is not (UnsafeSettings or MissingSetting))
                return;
            Console.Error.WriteLine(reason.Message);
            // EX_CONFIG of sysexits.h: starting it again without a change is of no use
            Environment.Exit(78);
        };
        var findings = Findings(builder.Configuration).ToList();
        if (findings.Count > 0)
            throw new UnsafeSettings(findings);
    }

    /// <summary>Every reason not to start, one sentence each; never a secret's value.</summary>
    public static IEnumerable<string> Findings(IConfiguration configuration)
    {
        if (configuration["Auth:DevelopmentKeyFile"] is { Length: > 0 })
            yield return "Auth:DevelopmentKeyFile is set; take tokens of an OIDC issuer (Auth:Authority).";
        if (configuration["Auth:Authority"] is not { } authority)
            yield return "Auth:Authority is missing; it names the OIDC issuer.";
        else if (!authority.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
            yield return "Auth:Authority is not an https address.";
        if (configuration["Auth:Clients:Issuer"] is { } clients)
        {
            if (!clients.StartsWith("https://", StringComparison.OrdinalIgnoreCase))
                yield return "Auth:Clients:Issuer is not an https address.";
            if (clients.TrimEnd('/').Equals((configuration["Auth:Issuer"] ?? configuration["Auth:Authority"])?.TrimEnd('/'), StringComparison.OrdinalIgnoreCase))
                yield return "Auth:Clients:Issuer is the issuer of people's tokens, too.";
        }
        if (configuration["Auth:Clients:Keys"]?.StartsWith("https://", StringComparison.OrdinalIgnoreCase) == false && !Inside(configuration))
            yield return "Auth:Clients:Keys is not an https address; set Tls:Inside=trusted-network where the network itself is protected.";

        var tls = configuration["Tls:TerminatedBy"];
        if (tls is not ("proxy" or "service"))
            yield return "Tls:TerminatedBy is missing; say 'proxy' where a gateway before this service terminates TLS, or 'service' where it does so itself.";
        else if (tls == "service" && !(configuration["urls"] ?? configuration["ASPNETCORE_URLS"] ?? "").Contains("https://", StringComparison.OrdinalIgnoreCase)
            && !configuration.GetSection("Kestrel:Endpoints").GetChildren().Any(e => e["Url"]?.StartsWith("https://", StringComparison.OrdinalIgnoreCase) ?? false))
            yield return "Tls:TerminatedBy is 'service' but no https address is configured.";

        foreach (var name in Needed)
            if (string.IsNullOrEmpty(configuration[name]))
                yield return $"{name} is missing.";
        foreach (var name in Secrets)
            if (configuration[name] is { Length: > 0 } value)
            {
                if (CameFrom(configuration, name) is { } place)
                    yield return $"{name} comes from {place}; give secrets by environment or by files (Secrets:Folder).";
                foreach (var finding in name == "RabbitMq:Uri" ? OfBroker(value, configuration) : OfDatabase(name, value, configuration))
                    yield return finding;
            }
        foreach (var finding in OfKeys(configuration))
            yield return finding;
    }

    private static IEnumerable<string> OfDatabase(string name, string text, IConfiguration configuration)
    {
        var settings = new NpgsqlConnectionStringBuilder(text);
        var local = settings.Host is null || settings.Host.StartsWith('/') || IsLoopback(settings.Host);
        if (settings.Passfile is null && settings.SslCertificate is null && settings.Host?.StartsWith('/') != true && IsWeak(settings.Password, settings.Username))
            yield return $"{name} has a default, short or missing password.";
        if (!local && (settings.SslMode is SslMode.Disable or SslMode.Allow or SslMode.Prefer) && !Inside(configuration))
            yield return $"{name} does not demand TLS (SSL Mode=VerifyFull); set Tls:Inside=trusted-network where the network itself is protected.";
    }

    private static IEnumerable<string> OfBroker(string text, IConfiguration configuration)
    {
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri))
        {
            yield return "RabbitMq:Uri is not an address.";
            yield break;
        }
        var user = uri.UserInfo.Split(':', 2);
        if (IsWeak(user.Length > 1 ? Uri.UnescapeDataString(user[1]) : null, user[0]))
            yield return "RabbitMq:Uri has a default, short or missing password.";
        if (uri.Scheme != "amqps" && !IsLoopback(uri.Host) && !Inside(configuration))
            yield return "RabbitMq:Uri is not amqps; set Tls:Inside=trusted-network where the network itself is protected.";
    }

    private static IEnumerable<string> OfKeys(IConfiguration configuration)
    {
        var seen = new Dictionary<string, string>();
        foreach (var name in new[] { "Patients:KeyFile", "Codes:KeyFile" })
        {
            if (configuration[name] is not { } file || !File.Exists(file))
                continue;
            var text = File.ReadAllText(file).Trim();
            if (!seen.TryAdd(text, name))
                yield return $"{name} holds the same key as {seen[text]}.";
            byte[] secret;
            try
            {
                secret = Convert.FromBase64String(text);
            }
            catch (FormatException)
            {
                secret = [];
            }
            if (secret.Distinct().Count() < 16)
                yield return $"{name} does not hold random bytes (openssl rand -base64 32).";
            if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(file) & (UnixFileMode.OtherWrite | UnixFileMode.GroupWrite)) != 0)
                yield return $"{name} names a file that others may write.";
        }
    }

    private static bool IsWeak(string? password, string? user) =>
        string.IsNullOrEmpty(password) || password.Length < 12 || WellKnown.Contains(password) || password.Equals(user, StringComparison.OrdinalIgnoreCase);

    private static bool IsLoopback(string host) => host is "localhost" || System.Net.IPAddress.TryParse(host, out var address) && System.Net.IPAddress.IsLoopback(address);

    private static bool Inside(IConfiguration configuration) => configuration["Tls:Inside"] == "trusted-network";

    // the provider that wins is the last one that knows the name
    private static string? CameFrom(IConfiguration configuration, string name) =>
        (configuration as IConfigurationRoot)?.Providers.LastOrDefault(p => p.TryGet(name, out _)) switch
        {
            JsonConfigurationProvider json => json.Source.Path ?? "a settings file",
            CommandLineConfigurationProvider => "the command line, where every user of the machine can read it",
            _ => null,
        };
}
