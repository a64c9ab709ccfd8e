using Dapper;
using Microsoft.AspNetCore.Mvc;
using Npgsql;
using ReferralService.Alliances.Http;
using ReferralService.Alliances.Sheets;
using ReferralService.Patients;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.FamilyDoctor;

/// <summary>A resident signs with a family doctor. The number is hashed at once; only its mask is kept.</summary>
internal sealed record SignContract : ICommand
{
    public ContractType? Type { get; init; }
    public IdType? PatientIdType { get; init; }
    public string? PatientIdNo { get; init; }
    public string? Clinic { get; init; }
    public string? Doctor { get; init; }
    public string? Specialist { get; init; }
    public string? HealthManager { get; init; }
    public string? District { get; init; }
    public string? Municipal { get; init; }
    public DateOnly? From { get; init; }
    public DateOnly? Until { get; init; }

    public ContractEntry As(string id) => new()
    {
        Id = id, Type = Type, PatientIdType = PatientIdType, PatientIdNo = PatientIdNo, Clinic = Clinic, Doctor = Doctor, Specialist = Specialist,
        HealthManager = HealthManager, District = District, Municipal = Municipal, From = From, Until = Until,
    };

    public void Check(Checks checks) => As("new").Check(checks);
}

/// <summary>The contract ends with this day.</summary>
internal sealed record EndContract(DateOnly? Until) : ICommand
{
    public void Check(Checks checks)
    {
        checks.Required(Until, "/until");
        checks.Day(Until, "/until");
    }
}

/// <summary>Whose contract is looked for.</summary>
internal sealed record FindContract(IdType? PatientIdType, string? PatientIdNo) : ICommand
{
    public void Check(Checks checks) => checks.Text(PatientIdNo, "/patientIdNo", 40);
}

/// <summary>The register of family-doctor contracts (签约登记): the clinic signs, the partners of a contract read it.</summary>
internal sealed class ContractRoutes(SheetIndex sheets, DirectoryDesk desk, Access access, NpgsqlDataSource database, PatientKeys keys)
{
    private static readonly ContractEntry Example = new()
    {
        Id = "ct-019aa3a8", Type = ContractType.TEAM_1_1_1, PatientIdNo = "210699********1111", Clinic = "12210681DEM0001022", Doctor = "dr-0103", Specialist = "dr-0001",
        HealthManager = "nr-0001", Municipal = "12210600DEM0000149", From = new(2026, 1, 1), Until = new(2026, 12, 31),
    };

    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/contracts", (HttpContext http, ContractRoutes contracts) => contracts.Sign(http))
            .Describe("signContract", "Contracts", "Sign a resident: TEAM_1_1_1 is a team of three people, INSTITUTION_1_1_1 a choice of three institutions.",
                "People of the clinic sign for it; an alliance's office may for a member. One contract of a type at a time.")
            .Accepts<SignContract>("application/json").Produces<ContractEntry>(201).RefusesLikeACommand()
            .Example(new SignContract
            {
                Type = ContractType.TEAM_1_1_1, PatientIdNo = "11010519491231002X", Clinic = "12210681DEM0001022", Doctor = "dr-0103", Specialist = "dr-0001",
                Municipal = "12210600DEM0000149", From = new(2026, 1, 1), Until = new(2026, 12, 31),
            }, Example);
        routes.MapPost("/v1/contracts/find", (HttpContext http, ContractRoutes contracts) => contracts.Find(http))
            .Describe("findContracts", "Contracts", "The contracts of one resident that hold today; the number travels in the body, never in an address. Audited.")
            .Accepts<FindContract>("application/json").Produces<ContractList>().RefusesLikeACommand()
            .Example(new FindContract(null, "11010519491231002X"), new ContractList([Example]));
        routes.MapGet("/v1/contracts", ([FromQuery] string? doctor, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, ContractRoutes contracts) =>
                contracts.List(http, doctor, cursor, limit))
            .Describe("listContracts", "Contracts", "Contracts of the caller's clinic, masked, in keyset pages.")
            .Produces<DirectoryPage<ContractEntry>>().Produces(304).Refuses(400, 403);
        routes.MapGet("/v1/contracts/{id}", (string id, HttpContext http, ContractRoutes contracts) => contracts.Get(http, DirectoryDesk.Storable(id)))
            .Describe("getContract", "Contracts", "One contract, for its partners and their alliance's office.")
            .Produces<ContractEntry>().Produces(304).Refuses(400, 403, 404).Example(null, Example);
        routes.MapPost("/v1/contracts/{id}/end", (string id, HttpContext http, ContractRoutes contracts) => contracts.End(http, DirectoryDesk.Storable(id)))
            .Describe("endContract", "Contracts", "End a contract with a day; what was referred under it stays as it was.")
            .Accepts<EndContract>("application/json").Produces<ContractEntry>().RefusesLikeACommand()
            .Example(new EndContract(new(2026, 6, 30)), Example);
    }

    private async Task<IResult> Sign(HttpContext http)
    {
        var (caller, body, key, refused) = await Once.Read<SignContract>(http);
        if (refused is not null)
            return refused;
        var entry = body!.As("ct-" + Guid.CreateVersion7(desk.Now).ToString("n"));
        if (!sheets.Contracts.Allows(entry, caller!, desk.Alliance, desk.Today))
        {
            await access.Denied(caller!, "sign-contract", null, entry.Clinic!);
            return new ProblemResult(Problems.Forbidden);
        }
        foreach (var (who, where, pointer) in new[] { (entry.Doctor, (string?)entry.Clinic, "/doctor"), (entry.Specialist, entry.District ?? entry.Municipal, "/specialist") })
            if (who is not null && desk.Alliance.Clinician(who) is { } known && where is not null && known.Institution != where)
                return new ProblemResult(Refusals.Rule(pointer, "Works at another institution.", "该医生不在所填机构执业。"));
        return await desk.Once<ContractEntry>(key!, async (connection, transaction) =>
        {
            await using var command = new NpgsqlCommand(sheets.Contracts.Upsert, connection, transaction);
            foreach (var parameter in sheets.Contracts.Parameters(entry, 0, caller))
                command.Parameters.Add(parameter);
            await command.ExecuteNonQueryAsync();
            await desk.Audit(connection, caller!, "sign-contract", entry.Id!);
            return new Reply<ContractEntry>(Masked(entry), null, 201);
        }, contract => "/v1/contracts/" + contract.Id);
    }

    private async Task<IResult> Find(HttpContext http)
    {
        var (caller, body, key, refused) = await Once.Read<FindContract>(http);
        if (refused is not null)
            return refused;
        if (desk.Alliance.Find(caller!.Institution) is null || !Access.SeesPatients(caller.Role) || caller.Purpose != "TREATMENT")
        {
            await access.Denied(caller, "find-contract", null, "resident");
            return new ProblemResult(Problems.Forbidden);
        }
        var index = keys.Index(new ContractEntry { PatientIdType = body!.PatientIdType, PatientIdNo = body.PatientIdNo }.Person);
        return await desk.Once<ContractList>(key!, async (connection, _) =>
        {
            var found = await connection.QueryAsync<ContractEntry>($"""
                select e.* from ({sheets.Contracts.Select}) e join contract c on c.id = e.id
                where c.patient_index = @index and c.since <= @today and (c.until is null or c.until >= @today) order by e.id
                """, new { index, today = desk.Today });
            await desk.Audit(connection, caller, "find-contract", "resident");
            return new ContractList([.. found]);
        });
    }

    private async Task<IResult> List(HttpContext http, string? doctor, string? cursor, int? limit)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        if (!Access.SeesPatients(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        var values = new DynamicParameters();
        values.Add("clinic", caller.Institution);
        values.Add("doctor", doctor is null ? null : DirectoryDesk.Storable(doctor));
        return await desk.List(http, sheets.Contracts, "e.clinic = @clinic and (@doctor::text is null or e.doctor = @doctor)", values, cursor, limit);
    }

    private async Task<IResult> Get(HttpContext http, string id)
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(incomplete!);
        await using var connection = await database.OpenConnectionAsync();
        var (entry, problem) = await Known(connection, caller, id, "read-contract");
        return entry is null ? new ProblemResult(problem!) : TypedResults.Ok(entry);
    }

    private async Task<IResult> End(HttpContext http, string id)
    {
        var (caller, body, key, refused) = await Once.Read<EndContract>(http);
        if (refused is not null)
            return refused;
        ContractEntry? entry;
        await using (var connection = await database.OpenConnectionAsync())
        {
            (entry, var problem) = await Known(connection, caller!, id, "end-contract");
            if (entry is null)
                return new ProblemResult(problem!);
            if (!sheets.Contracts.Allows(entry, caller!, desk.Alliance, desk.Today))
            {
                await access.Denied(connection, caller!, "end-contract", null, id);
                return new ProblemResult(Problems.Forbidden);
            }
        }
        if (body!.Until < entry.From)
            return new ProblemResult(Refusals.Rule("/until", "Not before it began.", "不能早于开始日期。"));
        return await desk.Once<ContractEntry>(key!, async (inside, _) =>
        {
            await inside.ExecuteAsync("update contract set until = @Until, version = version + 1 where id = @id", new { body.Until, id });
            await desk.Audit(inside, caller!, "end-contract", id);
            return entry with { Until = body.Until };
        });
    }

    // its three partners know of it, and the office that serves the clinic
    private async Task<(ContractEntry? Entry, Problem? Problem)> Known(NpgsqlConnection connection, Caller caller, string id, string action)
    {
        var entry = await connection.QuerySingleOrDefaultAsync<ContractEntry>($"select e.* from ({sheets.Contracts.Select}) e where e.id = @id", new { id });
        var partner = entry is not null && (caller.Role == Role.AllianceOffice
            ? Offices.Serves(caller, entry.Clinic!, desk.Alliance, desk.Today)
            : caller.Institution == entry.Clinic || caller.Institution == entry.District || caller.Institution == entry.Municipal);
        if (partner && Access.SeesPatients(caller.Role))
            return (entry, null);
        await access.Denied(connection, caller, action, null, id);
        return (null, partner ? Problems.Forbidden : Problems.NotFound);
    }

    private static ContractEntry Masked(ContractEntry entry) => entry with { PatientIdNo = Masking.IdNo(entry.Person.IdNo), PatientIdType = null };
}

/// <summary>Contracts of one resident.</summary>
internal sealed record ContractList(IReadOnlyList<ContractEntry> Items);
