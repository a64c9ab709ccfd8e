using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using TestKit;

namespace Deployed;

/// <summary>
/// One instance of a service as a process of its own. Each start takes a free port, so that a restart never waits for
/// the old one.
/// </summary>
/// <param name="through">A program that becomes the service, as words before its own; mostly none.</param>
public sealed partial class Service(string name, TestDatabase database, IReadOnlyDictionary<string, string> settings, IReadOnlyList<string> through) : IAsyncDisposable
{
    // the callers of all instances share their connections, as behind one proxy
    private static readonly SocketsHttpHandler Connections = new() { MaxConnectionsPerServer = 500, UseProxy = false };

    // a signature costs as much as a request
    private static readonly ConcurrentDictionary<(string Institution, string Role, string Subject, string? Purpose), string> Tokens = new();

    private readonly List<string> _log = [];
    private Process? _process;
    // who asks whether it runs may still hold one that has ended
    private readonly List<Process> _ended = [];
    private Uri? _address;
    private bool _listens;

    public string Name => name;
    public TestDatabase Database => database;
    public bool Runs => _process is { HasExited: false };
    public int Pid => _process?.Id ?? throw new InvalidOperationException($"{name} was never started.");
    /// <summary>Where it listens, or listened last.</summary>
    public Uri Address => _address ?? throw new InvalidOperationException($"{name} was never started.");

    /// <summary>Everything it has written since its first start.</summary>
    public IReadOnlyList<string> Log
    {
        get
        {
            lock (_log)
                return [.. _log];
        }
    }

    /// <summary>Starts it and returns when it says that it is ready.</summary>
    public async Task Start()
    {
        if (Runs)
            return;
        Volatile.Write(ref _listens, false);
        if (_process is not null)
            _ended.Add(_process);
        Write($"--- {name} starts ---");
        _process = Process.Start(Programs.Start(name, new Dictionary<string, string>(settings) { ["ASPNETCORE_URLS"] = "http://127.0.0.1:0" }, through, []))!;
        _process.StandardInput.Close();
        _process.OutputDataReceived += (_, line) => Write(line.Data);
        _process.ErrorDataReceived += (_, line) => Write(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        using var client = new HttpClient(Connections, disposeHandler: false);
        try
        {
            await Eventually.Is(async () =>
            {
                if (!Runs)
                    throw new InvalidOperationException($"{name} ended with {_process.ExitCode} while it started.");
                return Volatile.Read(ref _listens) && await IsReady(client, Address);
            }, $"{name} is ready", seconds: 120);
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{e.Message}\n{Tail()}", e);
        }
    }

    private static async Task<bool> IsReady(HttpClient client, Uri address)
    {
        try
        {
            using var answer = await client.GetAsync(new Uri(address, "/health/ready"));
            return answer.IsSuccessStatusCode;
        }
        catch (HttpRequestException)
        {
            return false;
        }
    }

    /// <summary>kill -9: the process gets no word in.</summary>
    public async Task Kill()
    {
        if (_process is null)
            return;
        _process.Kill();
        await _process.WaitForExitAsync();
        Write($"--- {name} was killed ---");
    }

    /// <summary>Asks it to end, as a deployment does.</summary>
    public async Task Stop()
    {
        if (!Runs)
            return;
        using (var kill = Process.Start("kill", ["-TERM", Pid.ToString()]))
            await kill.WaitForExitAsync();
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(90));
        await _process!.WaitForExitAsync(timeout.Token);
        Write($"--- {name} was stopped ---");
    }

    /// <summary>A caller with a token of this institution.</summary>
    public HttpClient As(string institution, string role = "Clinician", string subject = "dr-test", string? purpose = null) =>
        new(Connections, disposeHandler: false)
        {
            BaseAddress = Address, Timeout = TimeSpan.FromSeconds(30),
            DefaultRequestHeaders = { Authorization = new AuthenticationHeaderValue("Bearer", Tokens.GetOrAdd((institution, role, subject, purpose),
                who => Issuer.Shared.Token(who.Institution, who.Role, who.Subject, purpose: who.Purpose))) },
        };

    /// <summary>A caller without a token.</summary>
    public HttpClient Anonymous() => new(Connections, disposeHandler: false) { BaseAddress = Address, Timeout = TimeSpan.FromSeconds(30) };

    /// <summary>What <c>/health/ready</c> answers: status code and the word in its body.</summary>
    public async Task<(int Status, string Word)> Health()
    {
        using var client = new HttpClient(Connections, disposeHandler: false) { BaseAddress = Address };
        using var answer = await client.GetAsync("/health/ready");
        return ((int)answer.StatusCode, (await answer.Json()).GetProperty("status").GetString()!);
    }

    /// <summary>The last lines it wrote.</summary>
    public string Tail(int lines = 20) => $"Last lines of {name}:\n  " + string.Join("\n  ", Log.TakeLast(lines).Select(line => line[..Math.Min(line.Length, 300)]));

    private void Write(string? line)
    {
        if (line is null)
            return;
        lock (_log)
            _log.Add(line);
        if (Listening().Match(line) is { Success: true } match)
        {
            Volatile.Write(ref _address, new Uri(match.Groups[1].Value));
            Volatile.Write(ref _listens, true);
        }
    }

    [GeneratedRegex(@"Now listening on: (http://127\.0\.0\.1:\d+)")]
    private static partial Regex Listening();

    public async ValueTask DisposeAsync()
    {
        if (Runs)
            await Kill();
        _process?.Dispose();
        foreach (var process in _ended)
            process.Dispose();
    }
}
