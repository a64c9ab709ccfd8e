using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Dapper;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using ServiceDefaults.Auth;

namespace ServiceDefaults.Auditing;

/// <summary>
/// The trail of who did, read or was refused what: ids only, added to and never changed. It is written plainly, in
/// the transaction of what it tells of; the <see cref="AuditSealer"/> seals it a moment later.
/// </summary>
public static partial class AuditTrail
{
    // one per request: a slice that wrote its denial itself is not written a second time
    private static readonly AsyncLocal<StrongBox<bool>?> Noted = new();

    /// <summary>Starts the watch over one request.</summary>
    internal static void Begin() => Noted.Value = new(false);

    public static Task Write(NpgsqlConnection connection, DateTimeOffset? at, Caller caller, string action, bool denied,
        Guid? referralId = null, string? target = null) => Write(connection, at, caller, action, denied, referralId, [target]);

    /// <summary>One row for each target; at the database's time when <paramref name="at"/> is null.</summary>
    public static Task Write(NpgsqlConnection connection, DateTimeOffset? at, Caller caller, string action, bool denied,
        Guid? referralId, string?[] targets)
    {
        if (denied && Noted.Value is { } noted)
            noted.Value = true;
        return connection.ExecuteAsync("""
            insert into audit (at, subject, institution, role, on_behalf_of, purpose, action, verdict, referral_id, target)
            select coalesce(@at, now()), @Subject, @Institution, @role, @OnBehalfOf, @Purpose, @action, @verdict, @referralId, target
            from unnest(@targets) target
            """, new
        {
            at, caller.Subject, caller.Institution, role = caller.Role.ToString(), caller.OnBehalfOf, caller.Purpose, action,
            verdict = denied ? "denied" : "allowed", referralId, targets = Array.ConvertAll(targets, Harmless),
        });
    }

    // what a stranger typed into an address may be a name, a phone or an identity number: those stay out
    private static string? Harmless(string? target) =>
        target is null || target.Length <= 80 && Id().IsMatch(target) && !Person().IsMatch(target) ? target : "(not an id)";

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9 .:_-]*$")]
    private static partial Regex Id();

    [GeneratedRegex(@"^(\d{17}[\dXx]|\d{15}|1\d{10})$")]
    private static partial Regex Person();

    /// <summary>Every 403 leaves a row before it leaves, also where a slice does not write one itself.</summary>
    internal static async Task Refused(HttpContext http)
    {
        if (Noted.Value is null or { Value: true } || http.GetEndpoint() is not RouteEndpoint endpoint || Caller.Of(http).Caller is not { } caller)
            return;
        var database = http.RequestServices.GetRequiredService<NpgsqlDataSource>();
        var clock = http.RequestServices.GetRequiredService<TimeProvider>();
        var action = endpoint.Metadata.GetMetadata<IEndpointNameMetadata>()?.EndpointName ?? endpoint.RoutePattern.RawText ?? "";
        var target = http.Request.RouteValues.Values.FirstOrDefault()?.ToString();
        await using var connection = await database.OpenConnectionAsync();
        await Write(connection, clock.GetUtcNow(), caller, action, denied: true,
            Guid.TryParse(target, out var id) && http.Request.Path.StartsWithSegments("/v1/referrals") ? id : null, target);
    }
}
