using System.Text;
using Npgsql;
using ReferralService.Alliances.Sheets;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Import;

/// <summary>
/// Loads CSV files into the directory: from a folder (<c>import FOLDER</c>) or one file over HTTP. Every bad line is
/// named by file, line, column and reason. The same file twice changes nothing.
/// </summary>
internal sealed class ImportAlliance(NpgsqlDataSource database, SheetIndex sheets, AllianceDirectory directory, TimeProvider clock)
{
    private const int Batch = 200;

    /// <summary>Every file of the folder that is one of the directory's, in the order they depend on each other.</summary>
    public async Task<ImportReport> Run(string folder, Store store = Store.All)
    {
        var files = sheets.All.Select(sheet => (Sheet: sheet, Path: Path.Combine(folder, sheet.Name + ".csv"))).Where(f => File.Exists(f.Path));
        await using var connection = await database.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        var report = new ImportReport();
        foreach (var (sheet, path) in files)
            await Load(connection, transaction, sheet, await File.ReadAllTextAsync(path), report, null);
        await Finish(connection, transaction, report, store);
        return report;
    }

    /// <summary>Commits what <paramref name="store"/> allows, or takes everything back.</summary>
    public static async Task Finish(NpgsqlConnection connection, NpgsqlTransaction transaction, ImportReport report, Store store)
    {
        report.Stored = store == Store.Good || store == Store.All && report.BadLines == 0;
        if (!report.Stored)
        {
            await transaction.RollbackAsync();
            return;
        }
        if (report.Changed > 0)
            await Changed(connection);
        await transaction.CommitAsync();
    }

    /// <summary>Tells every instance that its copy is old.</summary>
    public static Task Changed(NpgsqlConnection connection) =>
        Dapper.SqlMapper.ExecuteAsync(connection, "update directory_version set number = number + 1");

    /// <summary>Tries every line; what is bad is reported and not in the transaction afterwards.</summary>
    public async Task Load(NpgsqlConnection connection, NpgsqlTransaction transaction, Sheet sheet, string csv, ImportReport report, Caller? by)
    {
        var file = sheet.Name + ".csv";
        var header = Csv.Header(csv);
        foreach (var missing in sheet.Columns.Except(header).Except(sheet.Optional))
            report.Add(file, 1, missing, new("The column is missing.", "缺少该列。"));
        foreach (var unknown in header.Except(sheet.Columns))
            report.Add(file, 1, Shown(unknown), new("There is no such column.", "没有该列。"));
        var lines = Csv.Read(csv).ToArray();
        report.Lines += lines.Length;
        if (sheet.Columns.Except(header).Except(sheet.Optional).Any())
            return;

        var good = new List<(int Line, IEntry Entry)>(lines.Length);
        foreach (var line in lines)
        {
            if (!line.Fits)
            {
                report.Add(file, line.LineNo, "", new("The number of fields is not that of the header.", "字段数与表头不一致。"));
                continue;
            }
            var checks = new Checks();
            var entry = sheet.Read(line, checks);
            if (checks.Passed)
                entry.Check(checks);
            if (checks.Passed && by is not null && !sheet.Allows(entry, by, directory.Current, ChinaTime.DayOf(clock.GetUtcNow())))
                checks.Add("", "It does not belong to your alliance.", "不属于您所在的医联体。");
            if (checks.Passed)
                good.Add((line.LineNo, entry));
            else
                foreach (var error in checks.Problem.Errors)
                    report.Add(file, line.LineNo, error.Pointer.TrimStart('/').Split('/')[0], error.Detail);
        }

        // a foreign key speaks up at its own line, not at the commit
        await Dapper.SqlMapper.ExecuteAsync(connection, "set constraints all immediate", transaction: transaction);
        if (sheet.Bulk is { } bulk)
        {
            foreach (var twice in good.GroupBy(g => sheet.KeyOf(g.Entry)).SelectMany(same => same.Skip(1)))
                report.Add(file, twice.Line, sheet.Columns[0], new("The same entry stands in an earlier line.", "与前面的行重复。"));
            report.Changed += await bulk(connection, [.. good.DistinctBy(g => sheet.KeyOf(g.Entry)).Select(g => g.Entry)]);
            return;
        }
        var ordered = sheet.Order([.. good.Select(g => g.Entry)]).Select(i => good[i]).ToArray();
        foreach (var chunk in ordered.Chunk(Batch))
            await Write(connection, transaction, sheet, chunk, report, by);
    }

    // many lines in one round trip; only a chunk with a bad line is gone through one by one
    private static async Task Write(NpgsqlConnection connection, NpgsqlTransaction transaction, Sheet sheet, (int Line, IEntry Entry)[] chunk, ImportReport report, Caller? by)
    {
        await transaction.SaveAsync("lines");
        try
        {
            await using var batch = new NpgsqlBatch(connection, transaction);
            foreach (var (_, entry) in chunk)
            {
                var command = new NpgsqlBatchCommand(sheet.Upsert);
                foreach (var parameter in sheet.Parameters(entry, null, by))
                    command.Parameters.Add(parameter);
                batch.BatchCommands.Add(command);
            }
            report.Changed += Math.Max(0, await batch.ExecuteNonQueryAsync());
            await transaction.ReleaseAsync("lines");
        }
        catch (PostgresException e) when (Constraints.Explain(e) is { } reason)
        {
            await transaction.RollbackAsync("lines");
            if (chunk.Length == 1)
                report.Add(sheet.Name + ".csv", chunk[0].Line, reason.Error.Pointer.TrimStart('/'), reason.Error.Detail);
            else
                foreach (var half in chunk.Chunk((chunk.Length + 1) / 2))
                    await Write(connection, transaction, sheet, half, report, by);
        }
    }

    private static string Shown(string column) => column.Length > 40 ? column[..40] : column;

    /// <summary>The table as a file that can be imported again.</summary>
    public async Task<string> Export(Sheet sheet, CancellationToken ct)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        var csv = new StringBuilder(Csv.Line(sheet.Columns));
        foreach (var entry in await sheet.All(connection))
            csv.Append(Csv.Line(sheet.Write(entry)));
        return csv.ToString();
    }
}
