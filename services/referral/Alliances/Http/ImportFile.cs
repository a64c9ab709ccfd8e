using System.Text;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances.Import;
using ReferralService.Alliances.Sheets;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Http;

/// <summary>One table of the directory as a CSV file, in and out.</summary>
internal sealed class ImportFile
{
    private const int Limit = 8 * 1024 * 1024;
    private static readonly UTF8Encoding Utf8 = new(false, throwOnInvalidBytes: true);

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/directory/{sheet}/import", (string sheet, [FromQuery] Store? store, HttpContext http, DirectoryDesk desk, ImportAlliance import, SheetIndex sheets, Access access) =>
                Import(http, sheet, store ?? Store.Nothing, desk, import, sheets, access))
            .Describe("importDirectory", "Directory", "Load a CSV file: store=Nothing only reports, All stores everything or nothing, Good stores the good lines.",
                "Columns carry the names of the JSON members; every bad line is named by line, column and reason. Roles: Operator; AllianceOffice for institutions, departments, clinicians and memberships of its own alliance.")
            .Accepts<string>("text/csv").Produces<ImportAnswer>().RefusesLikeACommand()
            .Example("\"code,name,level,type,ownership,region\\n12210600DEM0000149,丹东大学附属医院(演示),TertiaryHospital,General,Public,210600\\n\"",
                new ImportAnswer("institutions", 339, 2, 1, true, [new(17, "code", "Not a unified social credit code: 18 characters, and the last one must fit (GB 32100).")], false));
        routes.MapGet("/v1/directory/{sheet}/export", async (string sheet, HttpContext http, DirectoryDesk desk, ImportAlliance import, SheetIndex sheets) =>
                await Export(http, sheet, desk, import, sheets))
            .Describe("exportDirectory", "Directory", "A table as a CSV file that can be imported again. Roles: Operator, AllianceOffice.")
            .Produces<string>(200, "text/csv").Refuses(400, 403, 404);
    }

    private static async Task<IResult> Import(HttpContext http, string name, Store store, DirectoryDesk desk, ImportAlliance import, SheetIndex sheets, Access access)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        var (csv, bytes, unreadable) = await Read(http);
        if (csv is null)
            return new ProblemResult(unreadable!);
        var (key, keyless) = IdempotencyKey.Of(http.Request, caller.Scope, bytes);
        if (key is null)
            return new ProblemResult(keyless!);
        if (sheets.Find(name) is not { } sheet)
            return new ProblemResult(Problems.NotFound);
        if (caller.Role != Role.Operator && !(sheet.OfficesLoad && caller.Role == Role.AllianceOffice))
        {
            await access.Denied(caller, "import", null, name);
            return new ProblemResult(Problems.Forbidden);
        }
        var chinese = Problems.SpeaksChinese(http.Request);
        return await desk.Once<ImportAnswer>(key, async (connection, transaction) =>
        {
            var report = new ImportReport();
            await transaction.SaveAsync("file");
            await import.Load(connection, transaction, sheet, csv, report, caller);
            report.Stored = store == Store.Good || store == Store.All && report.BadLines == 0;
            if (!report.Stored)
                await transaction.RollbackAsync("file");
            else if (report.Changed > 0)
                await ImportAlliance.Changed(connection);
            if (store == Store.All && !report.Stored)
                return new Problem(DirectoryProblems.BadLines)
                {
                    Errors = [.. report.Bad.Take(200).Select(b => new FieldError($"/{b.Line}/{b.Column}", b.Reason))],
                    More = new Dictionary<string, object?> { ["lines"] = report.Lines, ["badLines"] = report.BadLines },
                };
            await desk.Audit(connection, caller, "import", $"{sheet.Name} {store}");
            return new ImportAnswer(sheet.Name, report.Lines, report.Changed, report.BadLines, report.Stored,
                [.. report.Bad.Select(b => new ImportError(b.Line, b.Column, b.Reason.In(chinese)))], report.MoreBad);
        });
    }

    private static async Task<IResult> Export(HttpContext http, string name, DirectoryDesk desk, ImportAlliance import, SheetIndex sheets)
    {
        var (caller, refused) = desk.Reader(http);
        if (caller is null)
            return refused!;
        // what is left of a resident's number cannot be loaded again
        if (sheets.Find(name) is not { } sheet || sheet.Name == "contracts")
            return new ProblemResult(Problems.NotFound);
        if (caller.Role is not (Role.Operator or Role.AllianceOffice))
            return new ProblemResult(Problems.Forbidden);
        http.Response.Headers.ContentDisposition = $"attachment; filename=\"{sheet.Name}.csv\"";
        return TypedResults.Text(await import.Export(sheet, http.RequestAborted), "text/csv", Encoding.UTF8);
    }

    private static async Task<(string? Csv, byte[] Bytes, Problem? Problem)> Read(HttpContext http)
    {
        var type = http.Request.GetTypedHeaders().ContentType;
        if (type is null || !type.MediaType.Equals("text/csv", StringComparison.OrdinalIgnoreCase)
            || type.Charset.HasValue && !type.Charset.Value!.Trim('"').Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            return (null, [], new Problem(Problems.WrongMediaType) { Detail = new("Send 'Content-Type: text/csv' in UTF-8.", "请使用 UTF-8 编码的 text/csv。") });
        using var body = new MemoryStream();
        await http.Request.Body.CopyToAsync(body, http.RequestAborted);
        if (body.Length > Limit)
            return (null, [], new Problem(Problems.TooLarge) { More = new Dictionary<string, object?> { ["limit"] = Limit } });
        var bytes = body.ToArray();
        try
        {
            var text = Utf8.GetString(bytes);
            return text.Contains('\0') ? (null, [], Problems.Bad("", "A NUL character is no text.", "文件包含空字符。"))
                : text.Length == 0 ? (null, [], Problems.Bad("", "A CSV file is needed.", "需要 CSV 文件。")) : (text, bytes, null);
        }
        catch (DecoderFallbackException)
        {
            return (null, [], Problems.Bad("", "The file is not valid UTF-8.", "文件不是有效的 UTF-8。"));
        }
    }
}

/// <summary>What came of an import. A value is never repeated.</summary>
/// <param name="Changed">Lines that brought something new.</param>
/// <param name="Stored">False: everything was tried and taken back.</param>
internal sealed record ImportAnswer(string File, int Lines, int Changed, int BadLines, bool Stored, IReadOnlyList<ImportError> Errors, bool MoreErrors);

/// <param name="Line">Where the line begins in the file; the header is line 1.</param>
internal sealed record ImportError(int Line, string Column, string Reason);
