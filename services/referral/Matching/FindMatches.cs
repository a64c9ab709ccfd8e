using Npgsql;
using Dapper;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Patients;
using ReferralService.Referrals;
using ReferralService.Referrals.Booking;
using ReferralService.Referrals.Intake;
using ReferralService.Referrals.Reading;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Matching;

/// <summary>Where could a patient go? Asked before a slip is written.</summary>
internal sealed record FindMatches : ICommand
{
    public ReferralKind? Kind { get; init; }
    public Priority? Priority { get; init; }
    public GreenChannel? GreenChannel { get; init; }
    public PatientClass? PatientClass { get; init; }
    /// <summary>The coded diagnosis.</summary>
    public string? Diagnosis { get; init; }
    /// <summary>Department (诊疗科目) at the target; the rules name it when absent.</summary>
    public string? Department { get; init; }
    /// <summary>Criteria the doctor ticked.</summary>
    public string[]? Indications { get; init; }
    public Dictionary<string, decimal>? Measures { get; init; }
    /// <summary>Grid (网格) the patient lives in; the sender's own when absent.</summary>
    public string? ResidenceGrid { get; init; }
    /// <summary>Who it is, to know the contract's hospitals; not kept.</summary>
    public PatientNumber? Patient { get; init; }
    /// <summary>Institutions to leave out.</summary>
    public string[]? Tried { get; init; }
    /// <summary>How many candidates, 1 to 50; 10 when absent.</summary>
    public int? Limit { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Diagnosis, "/diagnosis", 64, required: false);
        checks.That(Diagnosis is null || Diagnosis.Length >= 3, "/diagnosis", "At least three characters.", "至少 3 个字符。");
        checks.Text(Department, "/department", 16, required: false);
        checks.That(Department is null || Department.Length >= 2, "/department", "At least two digits.", "至少两位数字。");
        checks.Text(ResidenceGrid, "/residenceGrid", 40, required: false);
        checks.Text(Patient?.IdNo, "/patient/idNo", 40, required: Patient is not null);
        checks.That(Tried is not { Length: > 50 }, "/tried", "At most 50.", "最多 50 项。");
        checks.That(Limit is null or (>= 1 and <= 50), "/limit", "1 to 50.", "应为 1 至 50。");
        checks.That(GreenChannel is null || Priority == global::Referrals.Contracts.Priority.Emergency, "/greenChannel", "A green channel belongs to an emergency.", "绿色通道仅用于急诊。");
        EvaluateRules.Ticked(checks, Indications, Measures, "");
    }

    internal static readonly FindMatches Example = new() { Kind = ReferralKind.OutpatientTransfer, Diagnosis = "I63.900", ResidenceGrid = "210681-05" };
}

internal sealed record PatientNumber(IdType? IdType, string? IdNo);

/// <summary>The same for a referral that is written, or under way: what is known comes from it.</summary>
internal sealed record FindMatchesOf : ICommand
{
    /// <summary>Another department than the slip's.</summary>
    public string? Department { get; init; }
    public string? ResidenceGrid { get; init; }
    public int? Limit { get; init; }

    public void Check(Checks checks)
    {
        checks.Text(Department, "/department", 16, required: false);
        checks.That(Department is null || Department.Length >= 2, "/department", "At least two digits.", "至少两位数字。");
        checks.Text(ResidenceGrid, "/residenceGrid", 40, required: false);
        checks.That(Limit is null or (>= 1 and <= 50), "/limit", "1 to 50.", "应为 1 至 50。");
    }
}

/// <summary><c>POST /v1/matches</c>, and the same as a step on a referral.</summary>
internal sealed class MatchRoutes(
    MatchDesk desk, NpgsqlDataSource database, PatientKeys keys, AllianceDirectory directory, Access access, ReferralStore store, SlipReader slips, TimeProvider clock)
{
    public static void Map(IEndpointRouteBuilder routes)
    {
        routes.MapPost("/v1/matches", (HttpContext http, MatchRoutes match) => match.Find(http))
            .Accepts<FindMatches>("application/json")
            .Describe("findMatches", "Matching", "Ranks hospital, department and doctor for a patient, each with its reasons; the same question gives the same order.",
                "Nothing is reserved. Put 'offer' into the slip's 'match' to keep what was chosen; another than the first needs a reason of the list MatchOverride.")
            .Produces<Matches>().Refuses(400, 403, 408, 413, 415, 422)
            .Example(FindMatches.Example, Answer);
        routes.MapPost("/v1/referrals/{id}/match", (string id, HttpContext http, MatchRoutes match) => match.FindFor(http, id))
            .Accepts<FindMatchesOf>("application/json")
            .Describe("matchReferral", "Matching", "The same for a referral: a draft before it leaves, or one that must go on; whoever had it is left out.",
                "Reads slip and contract, so it is audited. Choose with amend (a draft) or redirect.")
            .Produces<Matches>().Refuses(400, 403, 404, 408, 413, 415, 422)
            .Example(new FindMatchesOf { Limit = 5 }, Answer);
    }

    private async Task<IResult> Find(HttpContext http)
    {
        var (caller, body, refused) = await Read<FindMatches>(http);
        if (refused is not null)
            return refused;
        if (!Roles.Desk.Contains(caller!.Role))
            return new ProblemResult(Problems.Forbidden);
        var (alliance, day) = (directory.Current, ChinaTime.DayOf(clock.GetUtcNow()));
        var sender = caller.Role == Role.AllianceOffice ? caller.OnBehalfOf ?? caller.Institution : caller.Institution;
        if (alliance.Find(sender) is not { } own || sender != caller.Institution && !alliance.ShareAnAlliance(caller.Institution, sender, day))
            return new ProblemResult(Problems.Forbidden);
        if (EvaluateRules.UnknownIndication(body!.Indications, alliance.Rules, day, "") is { } unknown)
            return new ProblemResult(unknown);

        var kind = body.Kind ?? ReferralKind.OutpatientTransfer;
        var index = body.Patient is { } patient
            ? keys.Index(new Identity(null, "0", null, null, null, null, null, null, patient.IdType ?? IdType.ResidentId, patient.IdNo!.Trim().ToUpperInvariant())) : null;
        var question = new MatchQuestion
        {
            Kind = kind, Priority = body.Priority ?? Priority.Routine, GreenChannel = body.GreenChannel, PatientClass = body.PatientClass,
            Sender = sender, Departments = [], On = day, ResidenceGrid = body.ResidenceGrid ?? own.Grid,
            Partners = await Partners(index, kind, day), Tried = body.Tried ?? [],
            JointWard = body.PatientClass == PatientClass.Rehab && alliance.Rules.InSet(BookingNeeds.RehabJointWard, body.Diagnosis, day),
        };
        return await Ranked(question, body.Department, new(kind, question.Priority, body.Diagnosis, body.Indications ?? [], body.Measures ?? [], null, null, day), body.Limit);
    }

    private async Task<IResult> FindFor(HttpContext http, string id)
    {
        var (caller, body, refused) = await Read<FindMatchesOf>(http);
        if (refused is not null)
            return refused;
        var found = await store.Find(id);
        if (found is not { } read || !access.IsParty(caller!, read.Referral))
        {
            await access.Denied(caller!, "match", found?.Referral.Id, id);
            return new ProblemResult(Problems.NotFound);
        }
        var r = read.Referral;
        if (!Roles.Desk.Contains(caller!.Role) || access.SidesOf(caller, r) == Side.None)
        {
            await access.Denied(caller, "match", r.Id, id);
            return new ProblemResult(Problems.Forbidden);
        }
        await access.Read(caller, "match", r.Id);
        var (alliance, day) = (directory.Current, ChinaTime.DayOf(clock.GetUtcNow()));
        var form = await slips.Newest(r, read.WrappedKey);
        await using var connection = await database.OpenConnectionAsync();
        var (index, parentSender) = await connection.QuerySingleAsync<(byte[]? Index, string? Sender)>("""
            select p.id_index, parent.sender
            from referral r join patient p on p.id = r.patient_id left join referral parent on parent.id = r.parent_id
            where r.id = @Id
            """, new { r.Id });
        var question = new MatchQuestion
        {
            Kind = r.Kind, Priority = r.Priority, GreenChannel = r.GreenChannel, PatientClass = r.PatientClass, Sender = r.Sender,
            Departments = [], On = day, ResidenceGrid = body!.ResidenceGrid ?? alliance.Find(r.IsUp ? r.Sender : parentSender ?? r.Sender)?.Grid,
            Partners = await Partners(index, r.Kind, day), CameFrom = r.IsUp ? null : parentSender,
            // a draft has been nowhere yet
            Tried = r.SubmittedAt is null ? [] : r.Tried, JointWard = r.Eligibility.Contains(BookingNeeds.RehabJointWard),
        };
        return await Ranked(question, body.Department ?? (form?.Diagnosis is null ? r.Department : null),
            new(r.Kind, r.Priority, r.DiagnosisCode, form?.Indications ?? [], form?.Measures ?? [], null, null, day), body.Limit);
    }

    private async Task<IResult> Ranked(MatchQuestion question, string? department, RuleQuestion rules, int? limit)
    {
        var (matches, problem) = await desk.Rank(question, department, rules, limit ?? 10);
        return problem is not null ? new ProblemResult(problem) : TypedResults.Ok(matches);
    }

    /// <summary>Institutions of the contracts in force: upward the two hospitals, downward the clinic.</summary>
    private async Task<string[]> Partners(byte[]? index, ReferralKind kind, DateOnly day)
    {
        if (index is null)
            return [];
        await using var connection = await database.OpenConnectionAsync();
        var contracts = await connection.QueryAsync<(string Clinic, string? District, string? Municipal)>("""
            select clinic, district, municipal
            from contract
            where patient_index = @index and since <= @day and (until is null or until >= @day)
            """, new { index, day });
        return [.. contracts.SelectMany(c => kind == ReferralKind.RehabReturn ? [c.Clinic] : new[] { c.District, c.Municipal }).OfType<string>().Distinct()];
    }

    // a question, not a command: nothing is created, so it needs no Idempotency-Key
    private static async Task<(Caller? Caller, T? Body, IResult? Refused)> Read<T>(HttpContext http) where T : class, ICommand
    {
        var (caller, incomplete) = Caller.Of(http);
        if (caller is null)
            return (null, null, new ProblemResult(incomplete!));
        var (body, malformed, _) = await RequestBody.Read<T>(http);
        if (malformed is not null)
            return (null, null, new ProblemResult(malformed));
        var checks = new Checks();
        body!.Check(checks);
        return checks.Passed ? (caller, body, null) : (null, null, new ProblemResult(checks.Problem));
    }

    private static readonly Matches Answer = new(new(2026, 11, 22), ["03.03"], 2, "mUQ3b0m1…",
    [
        new(1, 98, new("12210600DEM0000149", "丹东大学附属医院(演示)"), "TertiaryHospital", new("03.03", "神经内科专业"), new("dr-0001", "沈明远"), new(2026, 11, 23), 1, 3, 25,
            "丹东大学附属医院(演示)神经内科专业：「丹东卒中专科联盟(演示)」牵头医院；专科对口；最早 11月23日可约（1 天后），余 3；经专科联盟或远程协作网可直接上转；距离约 25 公里。",
            "丹东大学附属医院(演示), 03.03: Leads the specialist alliance; The department treats this; First free in 1 days, 3 left.",
            [new("SPECIALTY", 20, "专科对口", "The department treats this"), new("FREE_IN_DAYS", 19, "最早 11月23日可约（1 天后），余 3", "First free in 1 days, 3 left")]),
    ]);
}
