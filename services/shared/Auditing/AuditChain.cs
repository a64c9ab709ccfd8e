using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;

namespace ServiceDefaults.Auditing;

/// <summary>One row of the table <c>audit</c>.</summary>
public sealed record AuditRow
{
    public long Id { get; init; }
    /// <summary>Transaction that wrote it: rows become visible by this, not by their ids.</summary>
    public long Tx { get; init; }
    public DateTimeOffset At { get; init; }
    public string Subject { get; init; } = "";
    public string Institution { get; init; } = "";
    public string Role { get; init; } = "";
    public string? OnBehalfOf { get; init; }
    public string Purpose { get; init; } = "";
    public string Action { get; init; } = "";
    public string Verdict { get; init; } = "";
    public Guid? ReferralId { get; init; }
    public string? Target { get; init; }

    public const string Columns = "id, tx, at, subject, institution, role, on_behalf_of, purpose, action, verdict, referral_id, target";

    /// <summary>SHA-256 of the row as a JSON array in the order of <see cref="Columns"/> without tx; the time in microseconds since 1970.</summary>
    public byte[] Digest()
    {
        using var buffer = new MemoryStream(256);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartArray();
            json.WriteNumberValue(Id);
            json.WriteNumberValue(AuditChain.Microseconds(At));
            foreach (var text in new[] { Subject, Institution, Role, OnBehalfOf, Purpose, Action, Verdict, ReferralId?.ToString(), Target })
                json.WriteStringValue(text);
            json.WriteEndArray();
        }
        return SHA256.HashData(buffer.GetBuffer().AsSpan(0, (int)buffer.Length));
    }
}

/// <summary>
/// A link of the chain: the rows it covers, in order, and the hash of all that came before. Whoever changes, removes
/// or reorders a row must rewrite every later link, and cannot make their seals without the service's key.
/// </summary>
public sealed record AuditSeal
{
    public long Number { get; init; }
    public DateTimeOffset SealedAt { get; init; }
    public long[] Ids { get; init; } = [];
    /// <summary>32 bytes for each row.</summary>
    public byte[] Digests { get; init; } = [];
    public byte[] Previous { get; init; } = [];
    public byte[] Hash { get; init; } = [];
    /// <summary>HMAC-SHA-256 of the hash, under a key that the database does not know.</summary>
    public byte[] Mac { get; init; } = [];
    public string KeyId { get; init; } = "";
    /// <summary>Every row of an earlier transaction is sealed here or before.</summary>
    public long Upto { get; init; }
    /// <summary>Rows up to this id are sealed, whatever their transaction: after a restore its numbers begin anew.</summary>
    public long AfterId { get; init; }

    public ReadOnlySpan<byte> DigestOf(int row) => Digests.AsSpan(row * 32, 32);
}

/// <summary>How links are made and checked.</summary>
public sealed class AuditChain(Keys keys)
{
    private readonly byte[] _key = keys.For("audit-chain");

    /// <summary>What the first link names as the one before it.</summary>
    public static readonly byte[] Beginning = new byte[32];

    public string KeyId => Convert.ToHexStringLower(SHA256.HashData(_key))[..16];

    public AuditSeal Link(AuditSeal? last, IReadOnlyList<AuditRow> rows, DateTimeOffset now, long upto, long afterId)
    {
        var seal = new AuditSeal
        {
            Number = (last?.Number ?? 0) + 1, SealedAt = now, Previous = last?.Hash ?? Beginning, KeyId = KeyId, Upto = upto, AfterId = afterId,
            Ids = [.. rows.Select(r => r.Id)], Digests = [.. rows.SelectMany(r => r.Digest())],
        };
        var hash = HashOf(seal);
        return seal with { Hash = hash, Mac = MacOf(hash) };
    }

    /// <summary>SHA-256 of previous hash, number, time, row ids and row digests; numbers are big-endian, 8 bytes.</summary>
    public static byte[] HashOf(AuditSeal seal)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(seal.Previous);
        Span<byte> number = stackalloc byte[8];
        foreach (var n in (IEnumerable<long>)[seal.Number, Microseconds(seal.SealedAt), seal.Ids.Length, .. seal.Ids])
        {
            BinaryPrimitives.WriteInt64BigEndian(number, n);
            hash.AppendData(number);
        }
        hash.AppendData(seal.Digests);
        return hash.GetHashAndReset();
    }

    public byte[] MacOf(byte[] hash) => HMACSHA256.HashData(_key, hash);

    internal static long Microseconds(DateTimeOffset time) => (time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks) / TimeSpan.TicksPerMicrosecond;
}
