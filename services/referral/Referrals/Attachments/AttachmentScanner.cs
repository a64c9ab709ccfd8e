using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using Dapper;
using Npgsql;
using ReferralService.Patients;

namespace ReferralService.Referrals.Attachments;

/// <summary>
/// Has files scanned by clamd (setting <c>Attachments:Clamd</c>, host:port) and throws away what nobody attached within
/// a day. Without a scanner files are marked NotScanned and handed out as such.
/// </summary>
internal sealed class AttachmentScanner(NpgsqlDataSource database, PatientKeys keys, IConfiguration configuration, TimeProvider clock, ILogger<AttachmentScanner> log) : BackgroundService
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(2), Forgotten = TimeSpan.FromDays(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Every);
        while (await timer.WaitForNextTickAsync(stoppingToken))
        {
            try
            {
                while (await ScanOne(stoppingToken))
                {
                }
                await ThrowAway(stoppingToken);
            }
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                log.LogWarning("Attachments wait to be scanned: {Fault}", e.GetType().Name);
            }
        }
    }

    private sealed record Waiting(Guid Id, byte[] Content, byte[]? WrappedKey);

    /// <summary>Scans the oldest file that waits; false when none does. Two instances never take the same.</summary>
    public async Task<bool> ScanOne(CancellationToken ct = default)
    {
        if (configuration["Attachments:Clamd"] is not { } address)
            return false;
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var waiting = await connection.QuerySingleOrDefaultAsync<Waiting>("""
            select a.id, a.content, p.wrapped_key
            from attachment a
            join referral r on r.id = a.referral_id
            join patient p on p.id = r.patient_id
            where a.scan = 'Pending'
            order by a.created_at
            limit 1
            for update of a skip locked
            """, transaction: transaction);
        if (waiting is null)
            return false;
        // what was erased harms nobody
        var verdict = waiting.WrappedKey is not { } wrapped || await IsClean(address, keys.OpenBytes(wrapped, waiting.Content), ct) ? "Clean" : "Infected";
        await connection.ExecuteAsync("update attachment set scan = @verdict where id = @Id", new { verdict, waiting.Id }, transaction);
        await transaction.CommitAsync(ct);
        if (verdict == "Infected")
            log.LogWarning("Attachment {Attachment} is infected and is not handed out", waiting.Id);
        return true;
    }

    private Task<int> ThrowAway(CancellationToken ct) => ThrowAway(database, clock.GetUtcNow() - Forgotten, ct);

    internal static async Task<int> ThrowAway(NpgsqlDataSource database, DateTimeOffset before, CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        return await connection.ExecuteAsync("""
            delete from attachment a
            where a.created_at < @before
              and not exists (select from history h where h.verb = 'attach' and h.detail ->> 'attachment' = a.id::text)
            """, new { before });
    }

    // https://docs.clamav.net/manual/Usage/Scanning.html#clamd : INSTREAM, then chunks with their length, then a zero
    private static async Task<bool> IsClean(string address, byte[] content, CancellationToken ct)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        var (host, port) = (address[..address.LastIndexOf(':')], int.Parse(address[(address.LastIndexOf(':') + 1)..]));
        using var client = new TcpClient();
        await client.ConnectAsync(host, port, patience.Token);
        await using var stream = client.GetStream();
        await stream.WriteAsync("zINSTREAM\0"u8.ToArray(), patience.Token);
        var length = new byte[4];
        for (var at = 0; at < content.Length; at += 64 * 1024)
        {
            var chunk = content.AsMemory(at, Math.Min(64 * 1024, content.Length - at));
            BinaryPrimitives.WriteInt32BigEndian(length, chunk.Length);
            await stream.WriteAsync(length, patience.Token);
            await stream.WriteAsync(chunk, patience.Token);
        }
        BinaryPrimitives.WriteInt32BigEndian(length, 0);
        await stream.WriteAsync(length, patience.Token);
        using var answer = new StreamReader(stream, Encoding.ASCII);
        var said = (await answer.ReadToEndAsync(patience.Token)).TrimEnd('\0', '\n');
        return said.EndsWith("OK", StringComparison.Ordinal) || (said.EndsWith("FOUND", StringComparison.Ordinal) ? false
            : throw new IOException("The scanner gave no verdict."));
    }
}
