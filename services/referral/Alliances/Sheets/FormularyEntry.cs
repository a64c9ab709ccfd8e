using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>A medicine that an institution has (用药目录), by the name prescriptions use.</summary>
internal sealed record FormularyEntry : IEntry
{
    public string? Institution { get; init; }
    /// <summary>通用名与规格, e.g. 阿司匹林肠溶片 100mg.</summary>
    public string? Drug { get; init; }
    /// <summary>False: it has it no longer. True when absent.</summary>
    public bool? Available { get; init; }

    public void Check(Checks checks)
    {
        checks.Institution(Institution, "/institution");
        checks.Text(Drug, "/drug", 200);
    }

    public static readonly Sheet<FormularyEntry> Sheet = new("formulary")
    {
        Optional = ["available"],
        OfficesLoad = true,
        MayWrite = (entry, caller, alliance, day) => caller.Role switch
        {
            Role.AllianceOffice => Offices.Serves(caller, entry.Institution!, alliance, day),
            Role.Head or Role.Coordinator or Role.Registrar => caller.Institution == entry.Institution,
            _ => false,
        },
        Upsert = """
            insert into formulary as row (institution, drug, available) values (@Institution, @Drug, coalesce(@Available, true))
            on conflict (institution, drug) do update set (available, version) = (excluded.available, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion) and row.available is distinct from excluded.available
            """,
        Select = "select institution || '/' || drug as key, version, institution, drug, available from formulary",
    };
}
