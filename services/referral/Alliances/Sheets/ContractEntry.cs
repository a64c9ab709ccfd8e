using ReferralService.Patients;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>The two meanings of 1+1+1: a team of three people, or a choice of three institutions.</summary>
internal enum ContractType
{
    /// <summary>General practitioner + specialist of an upper hospital + health manager.</summary>
    TEAM_1_1_1,
    /// <summary>Community + district hospital + municipal hospital.</summary>
    INSTITUTION_1_1_1,
}

/// <summary>A family-doctor contract (家庭医生签约). The resident's number is hashed at once and not kept.</summary>
internal sealed record ContractEntry : IEntry
{
    public string? Id { get; init; }
    /// <summary>ResidentId when absent.</summary>
    public IdType? PatientIdType { get; init; }
    public string? PatientIdNo { get; init; }
    public ContractType? Type { get; init; }
    /// <summary>The family doctor's institution.</summary>
    public string? Clinic { get; init; }
    /// <summary>The family doctor.</summary>
    public string? Doctor { get; init; }
    public string? Specialist { get; init; }
    public string? HealthManager { get; init; }
    public string? District { get; init; }
    public string? Municipal { get; init; }
    public DateOnly? From { get; init; }
    /// <summary>The last day; open when absent.</summary>
    public DateOnly? Until { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Id, "/id");
        checks.Text(PatientIdNo, "/patientIdNo", 40);
        checks.That(PatientIdNo is null || (PatientIdType ?? IdType.ResidentId) != IdType.ResidentId || CheckDigits.ResidentId(PatientIdNo.Trim()) is not null,
            "/patientIdNo", "Not a valid resident identity number (GB 11643).", "居民身份证号不正确（GB 11643）。");
        checks.Required(Type, "/type");
        checks.Institution(Clinic, "/clinic");
        checks.Id(Doctor, "/doctor", required: Type == ContractType.TEAM_1_1_1);
        checks.Id(Specialist, "/specialist", required: false);
        checks.Id(HealthManager, "/healthManager", required: false);
        checks.Institution(District, "/district", required: Type == ContractType.INSTITUTION_1_1_1);
        checks.Institution(Municipal, "/municipal", required: Type == ContractType.INSTITUTION_1_1_1);
        checks.That(Type != ContractType.TEAM_1_1_1 || District is null || Municipal is null, "/municipal",
            "A team has one upper hospital: district or municipal.", "团队签约只填写一家上级医院：区级或市级。");
        checks.Period(From, Until);
    }

    /// <summary>The same person as in a referral.</summary>
    public Identity Person => new(null, "0", null, null, null, null, null, null, PatientIdType ?? IdType.ResidentId, PatientIdNo?.Trim().ToUpperInvariant());

    /// <summary>People at the desk of the clinic sign; an alliance's office may do it for a member.</summary>
    public static Sheet<ContractEntry> Sheet(PatientKeys keys) => new("contracts")
    {
        Optional = ["patientIdType", "doctor", "specialist", "healthManager", "district", "municipal", "until"],
        MayWrite = (entry, caller, alliance, day) => caller.Role switch
        {
            Role.AllianceOffice => Offices.Serves(caller, entry.Clinic!, alliance, day),
            Role.Clinician or Role.Head or Role.Coordinator or Role.Registrar => caller.Institution == entry.Clinic,
            _ => false,
        },
        More = (entry, _) => [("PatientIndex", keys.Index(entry.Person)), ("PatientMasked", Masking.IdNo(entry.Person.IdNo))],
        Upsert = """
            insert into contract as row (id, patient_index, patient_masked, type, clinic, doctor, specialist, health_manager, district, municipal, since, until)
            values (@Id, @PatientIndex, @PatientMasked, @Type, @Clinic, @Doctor, @Specialist, @HealthManager, @District, @Municipal, @From, @Until)
            on conflict (id) do update set (patient_index, patient_masked, type, clinic, doctor, specialist, health_manager, district, municipal, since, until, version)
                = (excluded.patient_index, excluded.patient_masked, excluded.type, excluded.clinic, excluded.doctor, excluded.specialist,
                   excluded.health_manager, excluded.district, excluded.municipal, excluded.since, excluded.until, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.patient_index, row.type, row.clinic, row.doctor, row.specialist, row.health_manager, row.district, row.municipal, row.since, row.until)
                      is distinct from
                      (excluded.patient_index, excluded.type, excluded.clinic, excluded.doctor, excluded.specialist, excluded.health_manager,
                       excluded.district, excluded.municipal, excluded.since, excluded.until)
            """,
        // the number is gone: a list shows the mask
        Select = """
            select id as key, version, id, patient_masked as patient_id_no, type, clinic, doctor, specialist, health_manager, district, municipal,
                   since as "from", until
            from contract
            """,
    };
}
