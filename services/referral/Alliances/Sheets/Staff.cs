using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>A department of an institution, by the national list (诊疗科目名录).</summary>
internal sealed record DepartmentEntry : IEntry
{
    public string? Institution { get; init; }
    public string? Code { get; init; }
    public string? Name { get; init; }
    /// <summary>False for headings and support departments.</summary>
    public bool? Bookable { get; init; }

    public void Check(Checks checks)
    {
        checks.Institution(Institution, "/institution");
        checks.Department(Code, "/code");
        checks.Text(Name, "/name", 60);
    }

    public static readonly Sheet<DepartmentEntry> Sheet = new("departments")
    {
        Optional = ["bookable"],
        OfficesLoad = true,
        MayWrite = (entry, caller, alliance, day) => caller.Role == Role.AllianceOffice && Offices.Serves(caller, entry.Institution!, alliance, day),
        Upsert = """
            insert into department as row (institution, code, name, bookable) values (@Institution, @Code, @Name, coalesce(@Bookable, true))
            on conflict (institution, code) do update set (name, bookable, version) = (excluded.name, excluded.bookable, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.name, row.bookable) is distinct from (excluded.name, excluded.bookable)
            """,
        Select = """
            select institution || '/' || code as key, version, institution, code, name, bookable from department
            """,
    };
}

/// <summary>Somebody who works at an institution.</summary>
internal sealed record ClinicianEntry : IEntry
{
    public string? Id { get; init; }
    public string? Institution { get; init; }
    public string? Department { get; init; }
    public string? Name { get; init; }
    public string? Title { get; init; }
    public string? Phone { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Id, "/id");
        checks.Institution(Institution, "/institution");
        checks.Department(Department, "/department", required: false);
        checks.Text(Name, "/name", 60);
        checks.Text(Title, "/title", 40, required: false);
        checks.Text(Phone, "/phone", 40, required: false);
    }

    public static readonly Sheet<ClinicianEntry> Sheet = new("clinicians")
    {
        Optional = ["department", "title", "phone"],
        OfficesLoad = true,
        // nobody takes over another alliance's doctor by writing over the id
        MayWrite = (entry, caller, alliance, day) => caller.Role == Role.AllianceOffice && Offices.Serves(caller, entry.Institution!, alliance, day)
            && (alliance.Clinician(entry.Id!) is not { } known || Offices.Serves(caller, known.Institution, alliance, day)),
        Upsert = """
            insert into clinician as row (id, institution, department, name, title, phone) values (@Id, @Institution, @Department, @Name, @Title, @Phone)
            on conflict (id) do update set (institution, department, name, title, phone, version)
                = (excluded.institution, excluded.department, excluded.name, excluded.title, excluded.phone, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.institution, row.department, row.name, row.title, row.phone)
                      is distinct from (excluded.institution, excluded.department, excluded.name, excluded.title, excluded.phone)
            """,
        Select = "select id as key, version, id, institution, department, name, title, phone from clinician",
    };
}
