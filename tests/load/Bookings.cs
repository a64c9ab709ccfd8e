using System.Collections.Concurrent;
using Deployed;
using Npgsql;
using TestKit;

namespace Load;

/// <summary>
/// Tells when a referral is booked. One question to the database for all who wait, so that asking is no load of its own.
/// </summary>
internal sealed class Bookings(Alliance alliance) : IAsyncDisposable
{
    private readonly ConcurrentDictionary<Guid, TaskCompletionSource> _waiting = new();
    private readonly CancellationTokenSource _end = new();
    private Task? _reading;

    public async Task Of(Guid referral)
    {
        var booked = _waiting.GetOrAdd(referral, _ => new(TaskCreationOptions.RunContinuationsAsynchronously));
        _ = LazyInitializer.EnsureInitialized(ref _reading, () => Task.Run(Read));
        await booked.Task.WaitAsync(TimeSpan.FromSeconds(20));
    }

    private async Task Read()
    {
        await using var connection = new NpgsqlConnection(alliance.Referral.Database.Super);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand("select id from referral where id = any($1) and scheduled_at is not null", connection);
        var ids = new NpgsqlParameter<Guid[]>();
        command.Parameters.Add(ids);
        await command.PrepareAsync();
        while (!_end.IsCancellationRequested)
        {
            ids.TypedValue = [.. _waiting.Keys];
            if (ids.TypedValue.Length > 0)
            {
                await using var reader = await command.ExecuteReaderAsync();
                while (await reader.ReadAsync())
                    if (_waiting.TryRemove(reader.GetGuid(0), out var booked))
                        booked.TrySetResult();
            }
            await Task.Delay(2);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        if (_reading is not null)
            await _reading;
        _end.Dispose();
    }
}
