using System.Text;
using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Alliances.Http;
using ReferralService.Alliances.Import;
using ReferralService.Alliances.Sheets;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.FamilyDoctor;

/// <summary>
/// The contracts of a clinic as a CSV file, for its own people and the office of its alliance: the columns of the import,
/// with the mask of the resident's number. The number itself is not kept, so this file cannot be loaded again.
/// </summary>
internal static class ExportContracts
{
    public static void Map(IEndpointRouteBuilder routes) => routes
        .MapGet("/v1/contracts/export", ([FromQuery] string? clinic, HttpContext http, DirectoryDesk desk, SheetIndex sheets, Access access, NpgsqlDataSource database) =>
            Handle(http, clinic, desk, sheets, access, database))
        .Describe("exportContracts", "Contracts", "Contracts of a clinic as CSV, residents' numbers masked; the caller's own clinic, or one that the caller's alliance office serves. Audited.")
        .Produces<string>(200, "text/csv").Refuses(400, 403, 404);

    private static async Task<IResult> Handle(HttpContext http, string? clinic, DirectoryDesk desk, SheetIndex sheets, Access access, NpgsqlDataSource database)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        if (!Access.SeesPatients(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        var code = DirectoryDesk.Storable(clinic ?? caller.Institution);
        if (desk.Alliance.Find(code)?.Code != code || code != caller.Institution && !(caller.Role == Role.AllianceOffice && Offices.Serves(caller, code, desk.Alliance, desk.Today)))
        {
            await access.Denied(caller, "export-contracts", null, code.Length > 80 ? code[..80] : code);
            return new ProblemResult(Problems.NotFound);
        }
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        await desk.Audit(connection, caller, "export-contracts", code);
        var csv = new StringBuilder(Csv.Line(sheets.Contracts.Columns));
        foreach (var entry in await connection.QueryAsync<ContractEntry>($"select e.* from ({sheets.Contracts.Select}) e where e.clinic = @code order by e.id", new { code }))
            csv.Append(Csv.Line(sheets.Contracts.Write(entry)));
        http.Response.Headers.ContentDisposition = "attachment; filename=\"contracts.csv\"";
        return TypedResults.Text(csv.ToString(), "text/csv", Encoding.UTF8);
    }
}
