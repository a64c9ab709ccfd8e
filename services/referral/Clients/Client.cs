using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using ServiceDefaults.Http;

namespace ReferralService.Clients;

/// <summary>Software of an institution, as its table row.</summary>
internal sealed record Client
{
    public const string Columns = "id, institution, name, scopes, per_minute, synthetic, version, created_at, secret_changed_at, last_token_at, revoked_at";

    public string Id { get; init; } = "";
    public string Institution { get; init; } = "";
    public string Name { get; init; } = "";
    public string[] Scopes { get; init; } = [];
    public int PerMinute { get; init; }
    public bool Synthetic { get; init; }
    public int Version { get; init; }
    public DateTimeOffset CreatedAt { get; init; }
    public DateTimeOffset SecretChangedAt { get; init; }
    public DateTimeOffset? LastTokenAt { get; init; }
    public DateTimeOffset? RevokedAt { get; init; }

    public static string NewId() => "mc-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12));
}

/// <summary>What a machine client may be allowed.</summary>
internal static class Scopes
{
    /// <summary>Lets a client name the clinician it acts for; without it no clinical move is open to it.</summary>
    public const string ActForClinicians = "act-for-clinicians";

    public static readonly IReadOnlyList<string> All =
    [
        "referral.read", "referral.write", "scheduling.read", "scheduling.write", "notification.read", "notification.write", ActForClinicians,
    ];
}

/// <summary>A client's secret: 32 random bytes, of which only the hash is kept.</summary>
internal static partial class ClientSecret
{
    private const string Prefix = "rcs_";

    public static string New() => Prefix + System.Buffers.Text.Base64Url.EncodeToString(RandomNumberGenerator.GetBytes(32));

    // a slow hash protects what people choose; of 256 random bits nothing can be guessed
    public static byte[] HashOf(string secret) => SHA256.HashData(Encoding.UTF8.GetBytes(secret));

    /// <summary>Takes as long for a wrong secret as for the right one, and as long for none as for two.</summary>
    public static bool Fits(string secret, IReadOnlyList<byte[]> hashes)
    {
        Span<byte> nothing = stackalloc byte[SHA256.HashSizeInBytes];
        var shown = HashOf(secret);
        var fits = false;
        for (var i = 0; i < 2; i++)
            fits |= CryptographicOperations.FixedTimeEquals(i < hashes.Count ? hashes[i] : nothing, shown) & i < hashes.Count;
        return fits;
    }

    /// <summary>The shape every id has: what differs need not be looked up.</summary>
    [GeneratedRegex("^mc-[0-9a-f]{24}$")]
    public static partial Regex IdShape();
}

/// <summary>A machine client as its institution sees it.</summary>
/// <param name="PerMinute">Requests in any minute that each instance of a service takes from it.</param>
/// <param name="Synthetic">Of a sandbox institution.</param>
/// <param name="LastTokenAt">When it last got a token; absent when it never did.</param>
/// <param name="Secret">Shown in this answer only.</param>
internal sealed record ClientView(
    string Id, string Institution, string Name, IReadOnlyList<string> Scopes, int PerMinute, bool Synthetic, ClientState State,
    DateTimeOffset CreatedAt, DateTimeOffset SecretChangedAt, DateTimeOffset? LastTokenAt, DateTimeOffset? RevokedAt, string? Secret)
{
    public static readonly ClientView Sample = new("mc-5f0c1b7de2a94c3380aa17be", "12210681DEM0001022", "前阳镇卫生院 HIS", ["referral.read", "notification.read"], 600, true,
        ClientState.Active, new(2026, 3, 2, 1, 0, 0, TimeSpan.Zero), new(2026, 3, 2, 1, 0, 0, TimeSpan.Zero), null, null, null);

    public static readonly ClientView WithSecret = Sample with { Secret = "rcs_3q2-7wfR1y0nB8sJk5mXv9ZpTtLhUeQaCdGiOoWrYbE" };

    public static ClientView Of(Client client, string? secret = null) => new(client.Id, client.Institution, client.Name, client.Scopes, client.PerMinute, client.Synthetic,
        client.RevokedAt is null ? ClientState.Active : ClientState.Revoked, client.CreatedAt, client.SecretChangedAt, client.LastTokenAt, client.RevokedAt, secret);
}

internal enum ClientState
{
    Active,
    /// <summary>For good: it gets no token any more.</summary>
    Revoked,
}

internal sealed record ClientPage(IReadOnlyList<ClientView> Items, string? Next);

internal static class ClientProblems
{
    public static readonly ProblemType NotOffered = new("clients-not-offered", 409,
        new("Machine clients are not offered here", "本系统未开通机器客户端"),
        new("The operator names the address of this service in Auth:Clients:Issuer.", "请运维人员在 Auth:Clients:Issuer 中配置本服务地址。"));
    public static readonly ProblemType TooMany = new("too-many-clients", 409,
        new("The institution has as many machine clients as it may have", "机构的机器客户端数量已达上限"),
        new("Revoke one that is not needed any more; 'limit' says how many there may be.", "请吊销不再使用的客户端；limit 为上限。"));
    public static readonly ProblemType Revoked = new("client-revoked", 409,
        new("The client was revoked", "该客户端已吊销"),
        new("Create another one: what was revoked stays so.", "吊销不可恢复，请新建客户端。"));

    public static readonly IReadOnlyList<ProblemType> All = [NotOffered, TooMany, Revoked];
}
