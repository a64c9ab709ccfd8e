using Dapper;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using ServiceDefaults.Storage;

namespace ServiceDefaults.Auditing;

/// <summary>The audit from the command line: <c>audit verify</c>, <c>audit head</c>, <c>audit prune</c>.</summary>
public static class AuditVerbs
{
    internal const string PruneAction = "audit.prune";

    /// <summary>No law lets a log go sooner.</summary>
    public const int LeastDays = 180;
    private const int DefaultDays = 3 * 365;

    /// <summary>Runs <c>audit …</c> when it is asked for, and returns true when the process is done with that.</summary>
    public static async Task<bool> RunAudit(this WebApplication app, string[] args)
    {
        if (args is not ["audit", .. var rest])
            return false;
        Environment.ExitCode = rest switch
        {
            ["verify"] => await Verify(app, 1, null),
            ["verify", "--head", var head] when Noted(head) is { } noted => await Verify(app, 1, noted),
            ["verify", "--from", var from] when long.TryParse(from, out var number) && number > 0 => await Verify(app, number, null),
            ["head"] => await Head(app),
            ["prune"] => await Prune(app),
            _ => Explain(),
        };
        return true;
    }

    /// <summary>Days that audit rows are kept at least; shorter than the law allows is refused at start.</summary>
    public static int KeepDays(IConfiguration configuration)
    {
        var days = configuration.GetValue("Retention:AuditDays", DefaultDays);
        return days >= LeastDays ? days
            : throw new InvalidOperationException($"Retention:AuditDays is {days}: at least {LeastDays} days are kept.");
    }

    private static int Explain()
    {
        Console.Error.WriteLine("audit verify [--head NUMBER:HASH | --from NUMBER] | audit head | audit prune");
        return 2;
    }

    private static (long, string)? Noted(string text) =>
        text.Split(':') is [var number, var hash] && long.TryParse(number, out var n) ? (n, hash.ToLowerInvariant()) : null;

    private static async Task<int> Verify(WebApplication app, long from, (long, string)? noted)
    {
        var found = await app.Services.GetRequiredService<AuditVerifier>().Verify(from, noted);
        Console.WriteLine($"{found.Rows} rows in {found.Seals} links stand as they were sealed.");
        if (found.Pruned > 0)
            Console.WriteLine($"{found.Pruned} rows were taken away by retention.");
        Console.WriteLine(found.Unsealed == 0 ? "Nothing is unsealed."
            : $"{found.Unsealed} rows are not sealed yet, the oldest of {found.OldestUnsealed:O}.");
        if (found.Head is { } head)
            Console.WriteLine($"Head {Line(head)}");
        foreach (var fault in found.Faults)
            Console.WriteLine("BROKEN: " + fault);
        return found.Faults.Count == 0 ? 0 : 1;
    }

    // noted outside of the database, it shows later that the end of the chain was not cut off
    private static async Task<int> Head(WebApplication app)
    {
        await using var connection = await app.Services.GetRequiredService<NpgsqlDataSource>().OpenConnectionAsync();
        var seals = await AuditSeals.Read(connection, "order by number desc limit 1", [], CancellationToken.None);
        Console.WriteLine(seals.Count == 0 ? "0:" + Convert.ToHexStringLower(AuditChain.Beginning) : Line(seals[0]));
        return 0;
    }

    private static string Line(AuditSeal seal) => $"{seal.Number}:{Convert.ToHexStringLower(seal.Hash)}";

    /// <summary>
    /// Takes away rows older than the retention, as the owner of the tables: the service's own role cannot. Whole links
    /// only; the links stay, and how far it went is itself a row that is sealed.
    /// </summary>
    private static async Task<int> Prune(WebApplication app)
    {
        var owner = app.Configuration.GetConnectionString("Owner")
            ?? throw new InvalidOperationException("ConnectionStrings:Owner is missing: only the owner of the tables may take audit rows away.");
        var now = app.Services.GetRequiredService<TimeProvider>().GetUtcNow();
        await using var source = Database.Open(owner);
        Console.WriteLine($"{await Prune(source, now, KeepDays(app.Configuration))} rows were taken away.");
        return 0;
    }

    /// <summary>How many rows went; whole links older than <paramref name="keepDays"/> only.</summary>
    public static async Task<int> Prune(NpgsqlDataSource owner, DateTimeOffset now, int keepDays)
    {
        await using var connection = await owner.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var upto = await connection.ExecuteScalarAsync<long?>("""
            select max(number) from audit_seal where sealed_at < @before
            """, new { before = now.AddDays(-keepDays) }, transaction);
        if (upto is null)
            return 0;
        var gone = await connection.ExecuteAsync($"""
            delete from audit where action <> '{PruneAction}' and id in (select unnest(ids) from audit_seal where number <= @upto)
            """, new { upto }, transaction);
        if (gone == 0)
            return 0;
        await connection.ExecuteAsync($"""
            insert into audit (at, subject, institution, role, purpose, action, verdict, target)
            values (@now, 'owner', 'retention', 'Operator', 'RETENTION', '{PruneAction}', 'allowed', @target)
            """, new { now, target = upto.ToString() }, transaction);
        await transaction.CommitAsync();
        return gone;
    }
}
