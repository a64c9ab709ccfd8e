using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Npgsql;
using ServiceDefaults;

namespace ReferralService;

/// <summary>A public key as RFC 7517 writes it.</summary>
internal sealed record PublicKey(string Kty, string Crv, string Use, string Alg, string Kid, string X, string Y);

/// <summary>The key set that verifiers fetch.</summary>
internal sealed record KeySet(IReadOnlyList<PublicKey> Keys);

/// <summary>
/// ES256 keys of one purpose, the same for all instances. The private part is sealed under a key derived from
/// <c>Codes:KeyFile</c>: the database alone forges nothing.
/// </summary>
/// <param name="table">Where they lie; a literal of the code.</param>
internal abstract class SigningKeys(NpgsqlDataSource database, Keys keys, TimeProvider clock, string table)
{
    /// <summary>How long a new key is published before it signs; verifiers may keep the key set for a quarter of that.</summary>
    public static readonly TimeSpan Announced = TimeSpan.FromHours(1);

    private string Purpose => table.Replace('_', '-') + "s";

    private sealed record Row(int Generation, string Kid, byte[] X, byte[] Y, byte[] PrivateKey, DateTimeOffset SignsFrom, DateTimeOffset? PublishedUntil);

    /// <summary>Every key that something valid may be signed with, and the one that will sign next.</summary>
    public async Task<KeySet> Published()
    {
        var now = clock.GetUtcNow();
        return new([.. (await Rows()).Where(k => k.PublishedUntil is null || k.PublishedUntil > now).Select(k =>
            new PublicKey("EC", "P-256", "sig", "ES256", k.Kid, Base64Url.EncodeToString(k.X), Base64Url.EncodeToString(k.Y)))]);
    }

    /// <summary>A JWS in compact form over these claims, RFC 7515.</summary>
    public async Task<string> Sign(byte[] claims, string type)
    {
        var now = clock.GetUtcNow();
        var key = (await Rows()).Last(k => k.SignsFrom <= now);
        using var ecdsa = ECDsa.Create(new ECParameters
        {
            Curve = ECCurve.NamedCurves.nistP256, Q = new() { X = key.X, Y = key.Y }, D = keys.Open(Purpose, key.PrivateKey),
        });
        var head = Encoding.UTF8.GetBytes($$"""{"alg":"ES256","kid":"{{key.Kid}}","typ":"{{type}}"}""");
        var signed = $"{Base64Url.EncodeToString(head)}.{Base64Url.EncodeToString(claims)}";
        // 64 bytes, r and s: the form JWS wants, not ASN.1
        var signature = ecdsa.SignData(Encoding.ASCII.GetBytes(signed), HashAlgorithmName.SHA256, DSASignatureFormat.IeeeP1363FixedFieldConcatenation);
        return $"{signed}.{Base64Url.EncodeToString(signature)}";
    }

    /// <summary>Makes the next key. The ones before it stay published until the last thing they signed has run out.</summary>
    /// <param name="atOnce">True where a private key got about: the next one signs now, and nothing of the others counts any more.</param>
    public async Task<string> Rotate(TimeSpan longestValidity, bool atOnce = false)
    {
        await Rows();
        var now = clock.GetUtcNow();
        var (x, y, scalar, kid) = Generate();
        await using var connection = await database.OpenConnectionAsync();
        await connection.ExecuteAsync($"""
            with retired as (
                update {table} set published_until = @until where published_until is null or published_until > @until and @atOnce
            )
            insert into {table} (generation, kid, x, y, private_key, created_at, signs_from)
            select max(generation) + 1, @kid, @x, @y, @scalar, @now, @from from {table}
            """, new { kid, x, y, scalar, now, atOnce, from = atOnce ? now : now + Announced, until = atOnce ? now : now + Announced + longestValidity });
        return kid;
    }

    private async Task<IReadOnlyList<Row>> Rows()
    {
        await using var connection = await database.OpenConnectionAsync();
        for (var first = true; ; first = false)
        {
            var rows = (await connection.QueryAsync<Row>(
                $"select generation, kid, x, y, private_key, signs_from, published_until from {table} order by generation")).AsList();
            if (rows.Count > 0 || !first)
                return rows;
            // the first key of all: of two instances that start together one wins, and both read what is there
            var (x, y, scalar, kid) = Generate();
            await connection.ExecuteAsync($"""
                insert into {table} (generation, kid, x, y, private_key, created_at, signs_from)
                values (1, @kid, @x, @y, @scalar, @now, '-infinity') on conflict do nothing
                """, new { kid, x, y, scalar, now = clock.GetUtcNow() });
        }
    }

    private (byte[] X, byte[] Y, byte[] Sealed, string Kid) Generate()
    {
        using var ecdsa = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var parts = ecdsa.ExportParameters(true);
        var (x, y) = (Base64Url.EncodeToString(parts.Q.X!), Base64Url.EncodeToString(parts.Q.Y!));
        var thumbprint = SHA256.HashData(Encoding.ASCII.GetBytes($$"""{"crv":"P-256","kty":"EC","x":"{{x}}","y":"{{y}}"}"""));
        return (parts.Q.X!, parts.Q.Y!, keys.Seal(Purpose, parts.D!), Base64Url.EncodeToString(thumbprint));
    }
}
