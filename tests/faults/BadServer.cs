using System.Net;
using System.Net.Sockets;

namespace Faults;

/// <summary>A server that reads a request and then does what it likes.</summary>
internal sealed class BadServer : IDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Func<NetworkStream, CancellationToken, Task> _behave;
    private readonly Lock _counts = new();
    private int _now;

    public BadServer(Func<NetworkStream, CancellationToken, Task> behave)
    {
        _behave = behave;
        _listener.Start();
        _ = Accept();
    }

    public string Address => $"http://{_listener.LocalEndpoint}/";
    public int MostAtOnce { get; private set; }
    public int Connections { get; private set; }
    public long MostSent { get; private set; }

    private async Task Accept()
    {
        try
        {
            while (true)
                _ = Serve(await _listener.AcceptSocketAsync(_stop.Token));
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException or ObjectDisposedException)
        {
        }
    }

    private async Task Serve(Socket socket)
    {
        lock (_counts)
        {
            Connections++;
            MostAtOnce = Math.Max(MostAtOnce, ++_now);
        }
        // small buffers: what the other side does not read stays unsent
        socket.SendBufferSize = 64 * 1024;
        await using var stream = new Counting(socket);
        // a hanging server notices by reading when its client has gone
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        try
        {
            var buffer = new byte[16 * 1024];
            if (await stream.ReadAsync(buffer, _stop.Token) > 0)
            {
                var reading = Task.Run(async () =>
                {
                    try
                    {
                        while (await stream.ReadAsync(new byte[1024], gone.Token) > 0)
                        {
                        }
                    }
                    catch (IOException)
                    {
                    }
                    await gone.CancelAsync();
                });
                await _behave(stream, gone.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or SocketException)
        {
        }
        lock (_counts)
        {
            _now--;
            MostSent = Math.Max(MostSent, stream.Sent);
        }
    }

    private sealed class Counting(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        public long Sent { get; private set; }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await base.WriteAsync(buffer, cancellationToken);
            Sent += buffer.Length;
        }
    }

    public void Dispose()
    {
        _stop.Cancel();
        _listener.Dispose();
        _stop.Dispose();
    }
}
