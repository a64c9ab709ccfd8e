using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Dapper;
using Npgsql;
using ServiceDefaults;

namespace ReferralService.Patients;

/// <summary>
/// One random key per person (AES-256-GCM), wrapped by the service's key. What is written about a person is sealed
/// under it: destroying the wrapped key is erasure, and turning the service's key re-wraps without touching the rest.
/// The service wraps with one key and can read what others of its keys wrapped: both work while a key is being turned.
/// </summary>
internal sealed class PatientKeys
{
    private const int NonceLength = 12, TagLength = 16, KeyLength = 32, MarkLength = 4;
    private readonly ServiceKey _current;
    private readonly ServiceKey[] _all;
    private readonly Lazy<byte[]> _index;

    /// <summary>A service key; its mark stands before everything it wrapped.</summary>
    private sealed record ServiceKey(byte[] Wrapping, byte[] FirstIndex)
    {
        private byte[] Fingerprint { get; } = SHA256.HashData(Wrapping);
        public ReadOnlySpan<byte> Mark => Fingerprint.AsSpan(0, MarkLength);
        public string Id => Convert.ToHexStringLower(Fingerprint)[..16];
    }

    public PatientKeys(IConfiguration configuration, NpgsqlDataSource database)
    {
        _current = From(Keys.Read(configuration, "Patients:KeyFile"));
        var others = configuration.GetSection("Patients:OtherKeyFiles").GetChildren().Select(file => From(Keys.Read(configuration, file.Path)));
        _all = [_current, .. others.Where(k => k.Id != _current.Id)];
        // not remembered when it fails: a database that is away at the first patient would keep out all that come after
        _index = new(() => IndexKey(database), LazyThreadSafetyMode.PublicationOnly);
    }

    private static ServiceKey From(byte[] secret) => new(
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, KeyLength, info: "patient-key-wrapping"u8.ToArray()),
        HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, KeyLength, info: "patient-blind-index"u8.ToArray()));

    /// <summary>Which service key wraps what is new.</summary>
    public string KeyId => _current.Id;

    /// <summary>Every key whose wrapping can be read.</summary>
    public IReadOnlyList<string> KnownIds => Array.ConvertAll(_all, k => k.Id);

    public byte[] NewWrappedKey() => Wrap(RandomNumberGenerator.GetBytes(KeyLength));

    /// <summary>The same person's key under the service key of today.</summary>
    public byte[] Rewrap(byte[] wrappedKey) => Wrap(Unwrap(wrappedKey));

    public byte[] Seal(byte[] wrappedKey, string text) => Encrypt(Unwrap(wrappedKey), Encoding.UTF8.GetBytes(text));

    public string Open(byte[] wrappedKey, byte[] @sealed) => Encoding.UTF8.GetString(Decrypt(Unwrap(wrappedKey), @sealed));

    /// <summary>What was sealed as JSON.</summary>
    public T Open<T>(byte[] wrappedKey, byte[] @sealed) => JsonSerializer.Deserialize<T>(Open(wrappedKey, @sealed), Json.Lenient)!;

    public byte[] SealBytes(byte[] wrappedKey, byte[] content) => Encrypt(Unwrap(wrappedKey), content);

    public byte[] OpenBytes(byte[] wrappedKey, byte[] @sealed) => Decrypt(Unwrap(wrappedKey), @sealed);

    /// <summary>Keyed hash of an identity: the same person gives the same value, and nothing else can be learned.</summary>
    public byte[]? Index(Identity? identity) =>
        identity?.IndexText is { } text ? HMACSHA256.HashData(_index.Value, Encoding.UTF8.GetBytes(text)) : null;

    private byte[] Wrap(byte[] key) => [.. _current.Mark, .. Encrypt(_current.Wrapping, key)];

    private byte[] Unwrap(byte[] wrapped)
    {
        // what was wrapped before there were marks is tried with each key: only the right one opens it
        var marked = wrapped.Length == MarkLength + NonceLength + KeyLength + TagLength;
        foreach (var key in _all)
        {
            if (marked && !wrapped.AsSpan(0, MarkLength).SequenceEqual(key.Mark))
                continue;
            try
            {
                return Decrypt(key.Wrapping, marked ? wrapped.AsSpan(MarkLength) : wrapped);
            }
            catch (AuthenticationTagMismatchException)
            {
            }
        }
        throw new CryptographicException("A patient's key was wrapped by a service key that is not given (Patients:KeyFile, Patients:OtherKeyFiles).");
    }

    /// <summary>
    /// The key of the blind index stays the same when the service's key is turned, or nobody would be found again: it
    /// is kept in the database, itself wrapped. The first one is derived from the key the service began with.
    /// </summary>
    private byte[] IndexKey(NpgsqlDataSource database)
    {
        using var connection = database.OpenConnection();
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (connection.ExecuteScalar<byte[]?>("select wrapped from service_key where purpose = 'patient-index'") is { } kept)
                return Unwrap(kept);
            var began = connection.ExecuteScalar<string?>("select key_id from patient where key_id is not null order by created_at limit 1");
            var first = began is null ? _current : Array.Find(_all, k => k.Id == began)
                ?? throw new CryptographicException("The key this service began with is not given (Patients:OtherKeyFiles): the index of patients cannot be made.");
            connection.Execute("""
                insert into service_key (purpose, wrapped, key_id) values ('patient-index', @wrapped, @KeyId) on conflict do nothing
                """, new { wrapped = Wrap(first.FirstIndex), KeyId });
        }
        throw new InvalidOperationException("The key of the patients' index could not be stored.");
    }

    private static byte[] Encrypt(byte[] key, byte[] plain)
    {
        var output = new byte[NonceLength + plain.Length + TagLength];
        var nonce = output.AsSpan(0, NonceLength);
        RandomNumberGenerator.Fill(nonce);
        using var aes = new AesGcm(key, TagLength);
        aes.Encrypt(nonce, plain, output.AsSpan(NonceLength, plain.Length), output.AsSpan(NonceLength + plain.Length));
        return output;
    }

    private static byte[] Decrypt(byte[] key, ReadOnlySpan<byte> input)
    {
        var plain = new byte[input.Length - NonceLength - TagLength];
        using var aes = new AesGcm(key, TagLength);
        aes.Decrypt(input[..NonceLength], input.Slice(NonceLength, plain.Length), input[(NonceLength + plain.Length)..], plain);
        return plain;
    }
}
