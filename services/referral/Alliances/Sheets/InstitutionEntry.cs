using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>Levels of institutions (机构级别).</summary>
internal enum InstitutionLevel
{
    VillageClinic, TownshipHealthCentre, CommunityHealthCentre, SecondaryHospital, TertiaryHospital, RehabInstitution,
    NursingHome, DiagnosticCentre, PublicHealthInstitution, InternetHospital,
}

/// <summary>What kind of house it is; independent of its level.</summary>
internal enum InstitutionType
{
    General, Specialist, TraditionalChineseMedicine, PrimaryCare, PublicHealth, Rehabilitation, Nursing, Laboratory, Imaging,
    Pathology, Internet,
}

internal enum Ownership { Public, Private }

/// <summary>An institution of the directory (医疗卫生机构).</summary>
internal sealed record InstitutionEntry : IEntry
{
    /// <summary>Unified social credit code, GB 32100.</summary>
    public string? Code { get; init; }
    public string? Name { get; init; }
    public InstitutionLevel? Level { get; init; }
    public InstitutionType? Type { get; init; }
    public Ownership? Ownership { get; init; }
    /// <summary>County or district, GB/T 2260: six digits.</summary>
    public string? Region { get; init; }
    /// <summary>Residence grid it stands in (网格).</summary>
    public string? Grid { get; init; }
    public double? Latitude { get; init; }
    public double? Longitude { get; init; }
    /// <summary>The institution it belongs to: township above village, county above township.</summary>
    public string? Parent { get; init; }
    /// <summary>What it offers, e.g. ChronicClinic, RehabPhysio, StrokeCentre.</summary>
    public string[]? Services { get; init; }
    public string? Phone { get; init; }
    /// <summary>
    /// A sandbox institution: it never meets real ones. Absent: as it stands, and a new one is real. It changes only while
    /// no membership, contract or standing agreement of the institution is in force.
    /// </summary>
    public bool? Synthetic { get; init; }

    public void Check(Checks checks)
    {
        checks.Institution(Code, "/code");
        checks.Text(Name, "/name", 100);
        checks.Required(Level, "/level");
        checks.Required(Type, "/type");
        checks.Required(Ownership, "/ownership");
        checks.That(Region is { Length: 6 } && Region.All(char.IsAsciiDigit), "/region", "Six digits (GB/T 2260).", "应为 6 位行政区划代码（GB/T 2260）。");
        checks.Id(Grid, "/grid", required: false);
        checks.That(Latitude is null or (>= -90 and <= 90), "/latitude", "-90 to 90.", "应为 -90 至 90。");
        checks.That(Longitude is null or (>= -180 and <= 180), "/longitude", "-180 to 180.", "应为 -180 至 180。");
        checks.Institution(Parent, "/parent", required: false);
        checks.That(Services is null || Services.Length <= 40 && Services.All(s => s is { Length: > 0 and <= 40 } && s.All(char.IsAsciiLetterOrDigit)), "/services",
            "At most 40 names of letters and digits.", "最多 40 项，仅限字母与数字。");
        checks.Text(Phone, "/phone", 40, required: false);
    }

    public static readonly Sheet<InstitutionEntry> Sheet = new("institutions")
    {
        Optional = ["grid", "latitude", "longitude", "parent", "services", "phone", "synthetic"],
        OfficesLoad = true,
        // a new one belongs to nobody yet; a known one is changed by the office of an alliance it is in
        MayWrite = (entry, caller, alliance, day) => caller.Role == Role.AllianceOffice
            && (alliance.Find(entry.Code!) is null || Offices.Serves(caller, entry.Code!, alliance, day)),
        Upsert = """
            insert into institution as row (code, name, level, type, ownership, region, grid, latitude, longitude, parent, services, phone, synthetic)
            values (@Code, @Name, @Level, @Type, @Ownership, @Region, @Grid, @Latitude, @Longitude, @Parent, coalesce(@Services, '{}'), @Phone, coalesce(@Synthetic, false))
            on conflict (code) do update set (name, level, type, ownership, region, grid, latitude, longitude, parent, services, phone, synthetic, version)
                = (excluded.name, excluded.level, excluded.type, excluded.ownership, excluded.region, excluded.grid, excluded.latitude,
                   excluded.longitude, excluded.parent, excluded.services, excluded.phone, coalesce(@Synthetic, row.synthetic), row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.name, row.level, row.type, row.ownership, row.region, row.grid, row.latitude, row.longitude, row.parent, row.services, row.phone, row.synthetic)
                      is distinct from
                      (excluded.name, excluded.level, excluded.type, excluded.ownership, excluded.region, excluded.grid, excluded.latitude,
                       excluded.longitude, excluded.parent, excluded.services, excluded.phone, coalesce(@Synthetic, row.synthetic))
            """,
        Select = """
            select code as key, version, code, name, level, type, ownership, region, grid, latitude, longitude, parent, services, phone, synthetic
            from institution
            """,
        Order = ParentsFirst,
    };

    private static List<int> ParentsFirst(IReadOnlyList<IEntry> entries)
    {
        var at = new Dictionary<string, int>();
        for (var i = 0; i < entries.Count; i++)
            if (((InstitutionEntry)entries[i]).Code is { } code)
                at.TryAdd(code, i);
        var order = new List<int>(entries.Count);
        var placed = new bool[entries.Count];
        for (var i = 0; i < entries.Count; i++)
            Place(i);
        return order;

        // marked before its parent is placed: a circle ends here, and the table refuses it
        void Place(int i)
        {
            if (placed[i])
                return;
            placed[i] = true;
            if (((InstitutionEntry)entries[i]).Parent is { } parent && at.TryGetValue(parent, out var above))
                Place(above);
            order.Add(i);
        }
    }
}
