using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Deployed;

namespace Faults;

/// <summary>nginx before the instances of the services, as deploy/operations.md shows it: told of each instance that comes or goes.</summary>
internal sealed class Nginx : IAsyncDisposable
{
    private const string Program = "/usr/sbin/nginx";
    private readonly string _folder = Directory.CreateTempSubdirectory("faults-nginx-").FullName;
    private readonly Dictionary<string, int> _ports = Programs.All.ToDictionary(name => name, _ => FreePort());
    private Process? _process;

    public Uri Address(string service) => new($"http://127.0.0.1:{_ports[service]}");

    public static async Task<Nginx> Start(IEnumerable<Service> instances)
    {
        if (!File.Exists(Program))
            throw new SkippedException("nginx is not installed: apt-get install nginx-light");
        var nginx = new Nginx();
        nginx.Configure(instances);
        nginx._process = Process.Start(new ProcessStartInfo(Program, ["-p", nginx._folder, "-c", "nginx.conf", "-e", "error.log"]))!;
        for (var tries = 0; tries < 100 && !Listens(nginx._ports["referral"]); tries++)
            await Task.Delay(50);
        return nginx;
    }

    /// <summary>From now on requests go to these.</summary>
    public async Task Serve(IEnumerable<Service> instances)
    {
        Configure(instances);
        await Shell.Run("kill", "-HUP", _process!.Id.ToString());
        // old workers finish what they have; new ones are there in a moment
        await Task.Delay(300);
    }

    private void Configure(IEnumerable<Service> instances)
    {
        var services = instances.Where(i => i.Runs).GroupBy(i => i.Name).ToDictionary(g => g.Key, g => g.Select(i => i.Address.Port));
        File.WriteAllText(Path.Combine(_folder, "nginx.conf"), $$"""
            daemon off;
            user root;
            worker_processes 1;
            pid nginx.pid;
            error_log error.log;
            events { worker_connections 1024; }
            http {
                access_log off;
                client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                proxy_http_version 1.1;
                proxy_set_header Connection "";
                proxy_set_header Host $host;
            {{string.Concat(Programs.All.Select(name => $$"""
                upstream {{name}} {
                    {{string.Concat(services.GetValueOrDefault(name, []).Select(port => $"server 127.0.0.1:{port} max_fails=1 fail_timeout=2s; "))}}
                    keepalive 16;
                }
                server {
                    listen 127.0.0.1:{{_ports[name]}};
                    location / { proxy_pass http://{{name}}; proxy_connect_timeout 2s; }
                }

            """))}}
            }
            """);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static bool Listens(int port)
    {
        try
        {
            using var client = new TcpClient("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            await Shell.Run("kill", "-TERM", _process.Id.ToString());
            await _process.WaitForExitAsync();
        }
        _process?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
