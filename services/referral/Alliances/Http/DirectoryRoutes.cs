using Dapper;
using Microsoft.AspNetCore.Mvc;
using ReferralService.Alliances.Sheets;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Http;

/// <summary>The directory over HTTP: everybody in it reads, the offices of the alliances and the operator write.</summary>
internal static class DirectoryRoutes
{
    private const string Tag = "Directory";

    public static void Map(IEndpointRouteBuilder routes)
    {
        Institutions(routes);
        Alliances(routes);
        Lists(routes);
        ImportFile.Map(routes);
    }

    private static void Institutions(IEndpointRouteBuilder routes)
    {
        var example = new InstitutionEntry
        {
            Code = "12210600DEM0000149", Name = "丹东大学附属医院(演示)", Level = InstitutionLevel.TertiaryHospital, Type = InstitutionType.General,
            Ownership = Ownership.Public, Region = "210600", Grid = "210600-01", Latitude = 40.1205, Longitude = 124.381,
            Services = ["Imaging", "StrokeCentre"], Phone = "0415-0000001", Synthetic = true,
        };
        routes.MapGet("/v1/institutions", ([AsParameters] InstitutionFilter filter, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
        {
            var (where, values) = filter.Where(desk.Today);
            return desk.List(http, InstitutionEntry.Sheet, where, values, cursor, limit);
        }).Read<DirectoryPage<InstitutionEntry>>("listInstitutions", "Institutions by level, region, service, alliance or a part of the name, in keyset pages.", new DirectoryPage<InstitutionEntry>([example], null));
        One(routes, "/v1/institutions/{code}", "Institution", InstitutionEntry.Sheet, r => r("code"), (e, r) => e with { Code = r("code") }, example);

        routes.MapGet("/v1/institutions/{code}/departments", (string code, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, DepartmentEntry.Sheet, "e.institution = @code", Values(("code", code)), cursor, limit))
            .Read<DirectoryPage<DepartmentEntry>>("listDepartments", "Departments of an institution.");
        One(routes, "/v1/institutions/{code}/departments/{department}", "Department", DepartmentEntry.Sheet, r => $"{r("code")}/{r("department")}",
            (e, r) => e with { Institution = r("code"), Code = r("department") },
            new() { Institution = "12210600DEM0000149", Code = "03.03", Name = "神经内科专业", Bookable = true });

        routes.MapGet("/v1/institutions/{code}/formulary", (string code, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, FormularyEntry.Sheet, "e.institution = @code", Values(("code", code)), cursor, limit))
            .Read<DirectoryPage<FormularyEntry>>("listFormulary", "Medicines an institution has, and those it has no longer.");
        One(routes, "/v1/institutions/{code}/formulary/{drug}", "Medicine", FormularyEntry.Sheet, r => $"{r("code")}/{r("drug")}",
            (e, r) => e with { Institution = r("code"), Drug = r("drug") },
            new() { Institution = "12210681DEM0001022", Drug = "阿司匹林肠溶片 100mg", Available = true });

        routes.MapGet("/v1/institutions/{code}/clinicians", (string code, [FromQuery] string? department, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, ClinicianEntry.Sheet, "e.institution = @code and (@department::text is null or e.department = @department)",
                    Values(("code", code), ("department", department)), cursor, limit, PhoneFor(desk)))
            .Read<DirectoryPage<ClinicianEntry>>("listClinicians", "Who works at an institution; phones only inside an alliance.");
        var clinician = new ClinicianEntry { Id = "dr-0001", Institution = "12210600DEM0000149", Department = "03.03", Name = "沈明远", Title = "主任医师" };
        routes.MapGet("/v1/clinicians/{id}", (string id, HttpContext http, DirectoryDesk desk) => desk.Get(http, ClinicianEntry.Sheet, DirectoryDesk.Storable(id), PhoneFor(desk)))
            .Read<ClinicianEntry>("getClinician", "One clinician.", clinician, 404);
        Put(routes, "/v1/clinicians/{id}", "Clinician", ClinicianEntry.Sheet, r => r("id"), (e, r) => e with { Id = r("id") }, clinician);
    }

    private static void Alliances(IEndpointRouteBuilder routes)
    {
        var example = new AllianceEntry
        {
            Id = "al-county", Name = "东港市紧密型县域医共体(演示)", Form = AllianceForm.CountyMedicalCommunity, Tightness = Tightness.Tight, Lead = "12210681DEM000022E",
        };
        routes.MapGet("/v1/alliances", ([FromQuery] string? institution, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, AllianceEntry.Sheet, """
                    (@institution::text is null or exists (select from membership m where m.alliance = e.id and m.institution = @institution
                                                           and m.since <= @today and (m.until is null or m.until >= @today)))
                    """, Values(("institution", institution), ("today", desk.Today)), cursor, limit))
            .Read<DirectoryPage<AllianceEntry>>("listAlliances", "Alliances, or those an institution is in today.", new DirectoryPage<AllianceEntry>([example], null));
        One(routes, "/v1/alliances/{id}", "Alliance", AllianceEntry.Sheet, r => r("id"), (e, r) => e with { Id = r("id") }, example);

        routes.MapGet("/v1/alliances/{id}/members", (string id, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, MembershipEntry.Sheet, "e.alliance = @id", Values(("id", id)), cursor, limit))
            .Read<DirectoryPage<MembershipEntry>>("listMembers", "Members of an alliance, past and future ones included.");
        One(routes, "/v1/alliances/{id}/members/{institution}/{from}", "Membership", MembershipEntry.Sheet, r => $"{r("id")}/{r("institution")}/{r("from")}",
            (e, r) => e with { Alliance = r("id"), Institution = r("institution"), From = DateOnly.TryParseExact(r("from"), "yyyy-MM-dd", out var day) ? day : null },
            new() { Alliance = "al-county", Institution = "12210681DEM0001022", From = new(2024, 1, 1), Until = new(2035, 12, 31) });

        routes.MapGet("/v1/standing-agreements", ([FromQuery] string? receiver, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, StandingAgreementEntry.Sheet, "(@receiver::text is null or e.receiver = @receiver)", Values(("receiver", receiver)), cursor, limit))
            .Read<DirectoryPage<StandingAgreementEntry>>("listStandingAgreements", "Which emergencies are accepted before they are asked for.");
        One(routes, "/v1/standing-agreements/{id}", "StandingAgreement", StandingAgreementEntry.Sheet, r => r("id"), (e, r) => e with { Id = r("id") },
            new() { Id = "sa-001", Sender = "*", Receiver = "12210681DEM000022E", GreenChannel = "ChestPain", From = new(2025, 1, 1), Until = new(2035, 12, 31) });
    }

    private static void Lists(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/v1/reason-codes", ([FromQuery] string? list, [FromQuery] bool? current, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, ReasonCodeEntry.Sheet, """
                    (@list::text is null or e.list = @list) and (not @current or e."from" <= @today and (e.until is null or e.until >= @today))
                    """, Values(("list", list), ("current", current ?? true), ("today", desk.Today)), cursor, limit))
            .Read<DirectoryPage<ReasonCodeEntry>>("listReasonCodes", "Reason codes: side, roles, whether a text must follow; those that hold today unless current=false.");
        One(routes, "/v1/reason-codes/{list}/{code}", "ReasonCode", ReasonCodeEntry.Sheet, r => $"{r("list")}/{r("code")}",
            (e, r) => e with { List = r("list"), Code = r("code") },
            new() { List = "DeclineUp", Code = "NO_CAPACITY", Side = ReasonSide.Receiver, TextRequired = false, NameZh = "暂无接诊能力", NameEn = "No capacity" });

        Diagnoses(routes);

        routes.MapGet("/v1/grids", ([FromQuery] string? region, [FromQuery] string? alliance, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, GridEntry.Sheet, "(@region::text is null or e.region = @region) and (@alliance::text is null or e.alliance = @alliance)",
                    Values(("region", region), ("alliance", alliance)), cursor, limit))
            .Read<DirectoryPage<GridEntry>>("listGrids", "Grids of residence: who is responsible for whom.");
        One(routes, "/v1/grids/{code}", "Grid", GridEntry.Sheet, r => r("code"), (e, r) => e with { Code = r("code") },
            new() { Code = "210681-05", Name = "前阳镇网格", Region = "210681", Alliance = "al-county", Institution = "12210681DEM0001022", Target = "12210681DEM000022E" });

        routes.MapGet("/v1/calendars", ([FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, CalendarEntry.Sheet, "true", Values(), cursor, limit))
            .Read<DirectoryPage<CalendarEntry>>("listCalendars", "Working-time calendars that timers may count in.");
        One(routes, "/v1/calendars/{id}", "Calendar", CalendarEntry.Sheet, r => r("id"), (e, r) => e with { Id = r("id") },
            new() { Id = "office", Name = "机关工作时间", Weekdays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"], Opens = "08:00", Closes = "17:00", RestFrom = "12:00", RestUntil = "13:30" });
        routes.MapGet("/v1/calendars/{id}/days", (string id, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, CalendarDayEntry.Sheet, "e.calendar = @id", Values(("id", id)), cursor, limit))
            .Read<DirectoryPage<CalendarDayEntry>>("listCalendarDays", "Holidays of a calendar, and weekends worked instead.");
        One(routes, "/v1/calendars/{id}/days/{day}", "CalendarDay", CalendarDayEntry.Sheet, r => $"{r("id")}/{r("day")}",
            (e, r) => e with { Calendar = r("id"), Day = DateOnly.TryParseExact(r("day"), "yyyy-MM-dd", out var day) ? day : null },
            new() { Calendar = "office", Day = new(2026, 10, 10), Working = true, Name = "国庆节调休上班" });
    }

    private static void Diagnoses(IEndpointRouteBuilder routes)
    {
        const string Current = """ and (not @current or e."from" <= @today and (e.until is null or e.until >= @today))""";
        var set = new DiagnosisSetEntry { Name = "RehabJointWard", Codes = "I60-I69", From = new(2027, 1, 1) };
        routes.MapGet("/v1/diagnosis-sets", ([FromQuery] string? name, [FromQuery] bool? current, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, DiagnosisSetEntry.Sheet, "(@name::text is null or e.name = @name)" + Current,
                    Values(("name", name), ("current", current ?? true), ("today", desk.Today)), cursor, limit))
            .Read<DirectoryPage<DiagnosisSetEntry>>("listDiagnosisSets", "Ranges of the named sets of diagnoses; those that hold today unless current=false.", new DirectoryPage<DiagnosisSetEntry>([set], null));
        One(routes, "/v1/diagnosis-sets/{name}/{codes}/{from}", "DiagnosisSet", DiagnosisSetEntry.Sheet, r => $"{r("name")}/{r("codes")}/{r("from")}",
            (e, r) => e with { Name = r("name"), Codes = r("codes"), From = Day(r("from")) }, set);

        var specialty = new SpecialtyEntry { Codes = "I60-I69", Department = "03.03", From = new(2027, 1, 1) };
        routes.MapGet("/v1/specialties", ([FromQuery] string? department, [FromQuery] bool? current, [FromQuery] string? cursor, [FromQuery] int? limit, HttpContext http, DirectoryDesk desk) =>
                desk.List(http, SpecialtyEntry.Sheet, "(@department::text is null or e.department = @department)" + Current,
                    Values(("department", department), ("current", current ?? true), ("today", desk.Today)), cursor, limit))
            .Read<DirectoryPage<SpecialtyEntry>>("listSpecialties", "Which department usually treats which diagnoses; entries that hold today unless current=false.", new DirectoryPage<SpecialtyEntry>([specialty], null));
        One(routes, "/v1/specialties/{codes}/{department}/{from}", "Specialty", SpecialtyEntry.Sheet, r => $"{r("codes")}/{r("department")}/{r("from")}",
            (e, r) => e with { Codes = r("codes"), Department = r("department"), From = Day(r("from")) }, specialty);
    }

    private static DateOnly? Day(string text) => DateOnly.TryParseExact(text, "yyyy-MM-dd", out var day) ? day : null;

    /// <summary>GET and PUT of one entry under its natural key.</summary>
    private static void One<T>(IEndpointRouteBuilder routes, string pattern, string what, Sheet<T> sheet, Func<Func<string, string>, string> key,
        Func<T, Func<string, string>, T> keyed, T example) where T : class, IEntry, new()
    {
        routes.MapGet(pattern, (HttpContext http, DirectoryDesk desk) => desk.Get(http, sheet, key(Route(http))))
            .NamesItsRoute(pattern).Read<T>("get" + what, $"One {Words(what)}.", example, 404);
        Put(routes, pattern, what, sheet, key, keyed, example);
    }

    private static void Put<T>(IEndpointRouteBuilder routes, string pattern, string what, Sheet<T> sheet, Func<Func<string, string>, string> key,
        Func<T, Func<string, string>, T> keyed, T example) where T : class, IEntry, new() =>
        routes.MapPut(pattern, (HttpContext http, DirectoryDesk desk) => desk.Put(http, sheet, key(Route(http)), e => keyed(e, Route(http))))
            .NamesItsRoute(pattern)
            .Describe("put" + what, Tag, $"Add a {Words(what)}, or change it.",
                "A new one needs no precondition. A change sends the ETag it saw as If-Match; the same again changes nothing. Roles: AllianceOffice for its own alliance, Operator.")
            .Accepts<T>("application/json").Produces<T>().Produces<T>(201)
            .Refuses(400, 403, 404, 408, 409, 412, 413, 415, 422, 428, 507)
            .Example(example, example);

    private static RouteHandlerBuilder Read<T>(this RouteHandlerBuilder route, string id, string summary, object? example = null, params int[] more) =>
        route.Describe(id, Tag, summary).Produces<T>().Produces(304).Refuses([400, 403, .. more]).Example(null, example);

    private static Func<string, string> Route(HttpContext http) => name => DirectoryDesk.Storable(http.GetRouteValue(name)?.ToString() ?? "");

    private static string Words(string what) => string.Concat(what.Select((c, i) => char.IsUpper(c) ? (i > 0 ? " " : "") + char.ToLowerInvariant(c) : c.ToString()));

    // how to reach somebody is for those who work together
    private static Func<ClinicianEntry, Caller, ClinicianEntry> PhoneFor(DirectoryDesk desk) => (clinician, caller) =>
        caller.Role == Role.Operator || Offices.Serves(caller, clinician.Institution!, desk.Alliance, desk.Today) ? clinician : clinician with { Phone = null };

    private static DynamicParameters Values(params ReadOnlySpan<(string Name, object? Value)> values)
    {
        var parameters = new DynamicParameters();
        foreach (var (name, value) in values)
            parameters.Add(name, value is string text ? DirectoryDesk.Storable(text) : value);
        return parameters;
    }
}

/// <summary>What a list of institutions may be narrowed to.</summary>
internal sealed record InstitutionFilter
{
    [FromQuery(Name = "level")] public string? Level { get; init; }
    [FromQuery(Name = "region")] public string? Region { get; init; }
    [FromQuery(Name = "service")] public string? Service { get; init; }
    /// <summary>Members of this alliance today.</summary>
    [FromQuery(Name = "alliance")] public string? Alliance { get; init; }
    [FromQuery(Name = "parent")] public string? Parent { get; init; }
    /// <summary>A part of the name.</summary>
    [FromQuery(Name = "name")] public string? Name { get; init; }

    public (string Where, DynamicParameters Values) Where(DateOnly today)
    {
        var where = new List<string> { "true" };
        var values = new DynamicParameters();
        Add(Level, "level", "e.level = @level");
        Add(Region, "region", "e.region = @region");
        Add(Service, "service", "@service = any(e.services)");
        Add(Parent, "parent", "e.parent = @parent");
        Add(Name, "name", "position(@name in e.name) > 0");
        Add(Alliance, "alliance", """
            exists (select from membership m where m.alliance = @alliance and m.institution = e.code
                    and m.since <= @today and (m.until is null or m.until >= @today))
            """);
        if (Alliance is not null)
            values.Add("today", today);
        return (string.Join(" and ", where), values);

        void Add(string? value, string name, string condition)
        {
            if (value is null)
                return;
            where.Add(condition);
            values.Add(name, DirectoryDesk.Storable(value));
        }
    }
}

/// <summary>Routes whose parameters are read from the request, shown in the OpenAPI document all the same.</summary>
internal static class RouteNames
{
    public static RouteHandlerBuilder NamesItsRoute(this RouteHandlerBuilder route, string pattern) =>
        route.AddOpenApiOperationTransformer((operation, _, _) =>
        {
            foreach (var part in pattern.Split('/').Where(p => p.StartsWith('{')))
                (operation.Parameters ??= []).Add(new Microsoft.OpenApi.OpenApiParameter
                {
                    Name = part.Trim('{', '}'), In = Microsoft.OpenApi.ParameterLocation.Path, Required = true,
                    Schema = new Microsoft.OpenApi.OpenApiSchema { Type = Microsoft.OpenApi.JsonSchemaType.String },
                });
            return Task.CompletedTask;
        });
}
