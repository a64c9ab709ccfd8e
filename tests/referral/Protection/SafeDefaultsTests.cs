using System.Diagnostics;
using System.Security.Cryptography;
using FluentAssertions;
using Microsoft.Extensions.Configuration;
using ServiceDefaults.Protection;
using Xunit;

namespace ReferralService.Tests.Protection;

/// <summary>Production starts with nothing that everybody knows.</summary>
public sealed class SafeDefaultsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("referral-safe-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Key(string? text = null)
    {
        var file = Path.Combine(_folder, Guid.NewGuid().ToString("n"));
        File.WriteAllText(file, text ?? Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        return file;
    }

    private Dictionary<string, string?> Safe() => new()
    {
        ["Auth:Authority"] = "https://issuer.example", ["Tls:TerminatedBy"] = "proxy",
        ["ConnectionStrings:Database"] = "Host=db.example;Username=referral_app;Password=uhW3o9ceXyq0Zr;Database=referral;SSL Mode=VerifyFull",
        ["RabbitMq:Uri"] = "amqps://referral:uhW3o9ceXyq0Zr@mq.example:5671/referral",
        ["Patients:KeyFile"] = Key(), ["Codes:KeyFile"] = Key(),
    };

    private static IReadOnlyList<string> Findings(Dictionary<string, string?> settings) =>
        [.. SafeDefaults.Findings(new ConfigurationBuilder().AddInMemoryCollection(settings).Build())];

    [Fact]
    public void Safe_settings_start() => Findings(Safe()).Should().BeEmpty();

    [Theory]
    [InlineData("Auth:DevelopmentKeyFile", "/run/secrets/issuer.pub.pem", "Auth:DevelopmentKeyFile is set")]
    [InlineData("Auth:Authority", null, "Auth:Authority is missing")]
    [InlineData("Auth:Authority", "http://issuer.example", "not an https address")]
    [InlineData("ConnectionStrings:Database", null, "ConnectionStrings:Database is missing")]
    [InlineData("RabbitMq:Uri", null, "RabbitMq:Uri is missing")]
    [InlineData("Codes:KeyFile", null, "Codes:KeyFile is missing")]
    [InlineData("Tls:TerminatedBy", null, "Tls:TerminatedBy is missing")]
    [InlineData("Tls:TerminatedBy", "nobody", "Tls:TerminatedBy is missing")]
    [InlineData("Tls:TerminatedBy", "service", "no https address is configured")]
    [InlineData("ConnectionStrings:Database", "Host=db.example;Username=postgres;Password=postgres;SSL Mode=VerifyFull", "default, short or missing password")]
    [InlineData("ConnectionStrings:Database", "Host=db.example;Username=referral_app;Password=referral_app;SSL Mode=VerifyFull", "default, short or missing password")]
    [InlineData("ConnectionStrings:Database", "Host=db.example;Username=referral_app;SSL Mode=VerifyFull", "default, short or missing password")]
    [InlineData("ConnectionStrings:Database", "Host=db.example;Username=referral_app;Password=uhW3o9ceXyq0Zr", "does not demand TLS")]
    [InlineData("ConnectionStrings:Owner", "Host=db.example;Username=referral_owner;Password=short;SSL Mode=VerifyFull", "ConnectionStrings:Owner has a default")]
    [InlineData("RabbitMq:Uri", "amqps://guest:guest@mq.example/", "RabbitMq:Uri has a default")]
    [InlineData("RabbitMq:Uri", "amqp://referral:uhW3o9ceXyq0Zr@mq.example/", "is not amqps")]
    public void An_unsafe_setting_is_named_in_one_line(string setting, string? value, string finding)
    {
        var settings = Safe();
        settings[setting] = value;
        Findings(settings).Should().ContainSingle().Which.Should().Contain(finding).And.NotContain("\n").And.NotContain("uhW3o9ceXyq0Zr");
    }

    [Fact]
    public void Keys_that_are_equal_or_not_random_are_refused()
    {
        var one = Key();
        var settings = Safe();
        (settings["Patients:KeyFile"], settings["Codes:KeyFile"]) = (one, Key(File.ReadAllText(one)));
        Findings(settings).Should().ContainSingle().Which.Should().Contain("the same key");
        settings["Codes:KeyFile"] = Key(Convert.ToBase64String(new byte[32]));
        Findings(settings).Should().ContainSingle().Which.Should().Contain("random bytes");
    }

    [Fact]
    public void A_key_file_that_others_may_write_is_refused()
    {
        if (OperatingSystem.IsWindows())
            return;
        var settings = Safe();
        File.SetUnixFileMode(settings["Codes:KeyFile"]!, UnixFileMode.UserRead | UnixFileMode.OtherWrite);
        Findings(settings).Should().ContainSingle().Which.Should().Contain("others may write");
    }

    [Fact]
    public void Secrets_come_from_environment_or_files_only()
    {
        var safe = Safe();
        var file = Path.Combine(_folder, "appsettings.json");
        File.WriteAllText(file, "{\"RabbitMq\":{\"Uri\":\"" + safe["RabbitMq:Uri"] + "\"}}");
        var uri = safe["RabbitMq:Uri"]!;
        safe.Remove("RabbitMq:Uri");
        SafeDefaults.Findings(new ConfigurationBuilder().AddInMemoryCollection(safe).AddJsonFile(file).Build())
            .Should().ContainSingle().Which.Should().Contain("comes from appsettings.json");
        SafeDefaults.Findings(new ConfigurationBuilder().AddInMemoryCollection(safe).AddCommandLine(["--RabbitMq:Uri=" + uri]).Build())
            .Should().ContainSingle().Which.Should().Contain("command line");
        File.WriteAllText(Path.Combine(_folder, "RabbitMq__Uri"), uri);
        SafeDefaults.Findings(new ConfigurationBuilder().AddInMemoryCollection(safe).AddKeyPerFile(_folder).Build()).Should().BeEmpty();
    }

    [Fact]
    public async Task The_program_itself_says_every_reason_on_a_line_of_its_own_and_ends()
    {
        var start = new ProcessStartInfo("dotnet", [typeof(Program).Assembly.Location]) { RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment.Clear();
        foreach (var name in new[] { "PATH", "HOME", "DOTNET_ROOT" })
            start.Environment[name] = Environment.GetEnvironmentVariable(name);
        start.Environment["ASPNETCORE_ENVIRONMENT"] = "Production";
        start.Environment["Auth__DevelopmentKeyFile"] = "/somewhere/issuer.pub.pem";
        start.Environment["ConnectionStrings__Database"] = "Host=127.0.0.1;Username=postgres;Password=postgres";
        start.Environment["RabbitMq__Uri"] = "amqp://guest:guest@127.0.0.1/";
        using var program = Process.Start(start)!;
        var said = await program.StandardError.ReadToEndAsync();
        await program.WaitForExitAsync();
        program.ExitCode.Should().Be(78);
        said.Split('\n', StringSplitOptions.RemoveEmptyEntries).Should().HaveCount(6).And.OnlyContain(line => line.StartsWith("Production does not start: "));
    }
}
