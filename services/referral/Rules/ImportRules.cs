using System.Text.Json;
using Npgsql;
using ServiceDefaults.Http;

namespace ReferralService.Rules;

/// <summary>
/// Loads rule packs from a folder: one JSON file each, named as the pack, in the shape of the interface. A file that is
/// in force already as it is changes nothing; all are stored or none.
/// </summary>
internal sealed class ImportRules(NpgsqlDataSource database, TimeProvider clock)
{
    public async Task<int> Run(string folder)
    {
        if (!Directory.Exists(folder))
            return 0;
        await using var connection = await database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var stored = (await RuleTables.Read(connection)).All.ToLookup(p => (p.Id, p.Since));
        var added = 0;
        foreach (var file in Directory.GetFiles(folder, "*.json").Order(StringComparer.Ordinal))
        {
            var id = Path.GetFileNameWithoutExtension(file);
            var pack = Read(id, await File.ReadAllTextAsync(file));
            if (stored[(id, pack.Since)].Any(known => Same(known, pack)))
                continue;
            if (await RuleTables.Publish(connection, transaction, id, pack, "import", clock.GetUtcNow()) is null)
                throw new FormatException($"{Path.GetFileName(file)}: a version that begins on {pack.Since:yyyy-MM-dd} or later stands already; give it a later day.");
            added++;
        }
        await transaction.CommitAsync();
        return added;
    }

    private static RulePack Read(string id, string text)
    {
        RulePack pack;
        try
        {
            pack = JsonSerializer.Deserialize<RulePack>(text, ServiceDefaults.Json.Strict)!;
        }
        catch (JsonException e)
        {
            throw new FormatException($"{id}.json: {e.Path} is not as a rule pack has it.", e);
        }
        var checks = new Checks();
        pack.Check(checks);
        checks.That(PublishRules.IsName(id), "file name", "2 to 40 of a-z, 0-9 and -.", "");
        return checks.Passed ? pack
            : throw new FormatException($"{id}.json: " + string.Join("; ", checks.Problem.Errors.Select(e => $"{e.Pointer}: {e.Detail.En}")));
    }

    private static bool Same(RulePack a, RulePack b) => Text(a) == Text(b);

    private static string Text(RulePack pack) => JsonSerializer.Serialize(pack with { Id = null, Version = null }, ServiceDefaults.Json.Lenient);
}
