using System.Text.Json;
using Dapper;
using Npgsql;

namespace ReferralService.Rules;

/// <summary>Reads the rules for the alliance's snapshot, and adds versions of packs.</summary>
internal static class RuleTables
{
    private sealed record Stored(string Id, int Version, string Content);

    public static async Task<RuleBook> Read(NpgsqlConnection connection) => new(
        (await connection.QueryAsync<Stored>("select id, version, content::text as content from rule_pack"))
            .Select(row => JsonSerializer.Deserialize<RulePack>(row.Content, ServiceDefaults.Json.Lenient)! with { Id = row.Id, Version = row.Version }),
        await connection.QueryAsync<DiagnosisSet>("select name, codes, since, until from diagnosis_set"),
        await connection.QueryAsync<Specialty>("select codes, department, since, until from specialty"));

    /// <summary>
    /// The version it became; null when one begins on the same day or later: what held is never rewritten. The caller's
    /// transaction bumps the directory's version, which also lets one publisher at a time through.
    /// </summary>
    public static async Task<int?> Publish(NpgsqlConnection connection, NpgsqlTransaction transaction, string id, RulePack pack, string by, DateTimeOffset now)
    {
        await connection.ExecuteAsync("update directory_version set number = number + 1", transaction: transaction);
        return await connection.ExecuteScalarAsync<int?>("""
            insert into rule_pack (id, version, since, content, published_by, published_at)
            select @id, coalesce(max(version), 0) + 1, @Since, @content::jsonb, @by, @now
            from rule_pack where id = @id
            having coalesce(max(since), '-infinity') < @Since
            returning version
            """, new { id, pack.Since, content = JsonSerializer.Serialize(pack with { Id = null, Version = null }, ServiceDefaults.Json.Lenient), by, now }, transaction);
    }
}
