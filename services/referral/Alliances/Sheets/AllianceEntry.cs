using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace ReferralService.Alliances.Sheets;

/// <summary>城市医疗集团, 县域医共体, 跨区域专科联盟, 远程医疗协作网.</summary>
internal enum AllianceForm { UrbanMedicalGroup, CountyMedicalCommunity, CrossRegionSpecialistAlliance, TelemedicineNetwork }

/// <summary>紧密, 半紧密, 松散, 混合: another axis than the form.</summary>
internal enum Tightness { Tight, SemiTight, Loose, Mixed }

/// <summary>A medical alliance (医联体).</summary>
internal sealed record AllianceEntry : IEntry
{
    public string? Id { get; init; }
    public string? Name { get; init; }
    public AllianceForm? Form { get; init; }
    public Tightness? Tightness { get; init; }
    /// <summary>Lead hospital (牵头医院).</summary>
    public string? Lead { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Id, "/id");
        checks.Text(Name, "/name", 100);
        checks.Required(Form, "/form");
        checks.Required(Tightness, "/tightness");
        checks.Institution(Lead, "/lead");
    }

    public static readonly Sheet<AllianceEntry> Sheet = new("alliances")
    {
        Optional = [],
        MayWrite = (entry, caller, alliance, _) => caller.Role == Role.AllianceOffice
            && (alliance.LeadOf(entry.Id!) ?? entry.Lead) == caller.Institution,
        // a change of tightness or lead reaches the memberships by their foreign key, and is refused if it makes a second tight parent
        Upsert = """
            insert into alliance as row (id, name, form, tightness, lead) values (@Id, @Name, @Form, @Tightness, @Lead)
            on conflict (id) do update set (name, form, tightness, lead, version)
                = (excluded.name, excluded.form, excluded.tightness, excluded.lead, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.name, row.form, row.tightness, row.lead) is distinct from (excluded.name, excluded.form, excluded.tightness, excluded.lead)
            """,
        Select = "select id as key, version, id, name, form, tightness, lead from alliance",
    };
}

/// <summary>An institution in an alliance, for a time.</summary>
internal sealed record MembershipEntry : IEntry
{
    public string? Alliance { get; init; }
    public string? Institution { get; init; }
    public DateOnly? From { get; init; }
    /// <summary>The last day; open when absent.</summary>
    public DateOnly? Until { get; init; }
    /// <summary>The health authority's reason for a second tight parent.</summary>
    public string? OverrideReason { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Alliance, "/alliance");
        checks.Institution(Institution, "/institution");
        checks.Period(From, Until);
        checks.Text(OverrideReason, "/overrideReason", 500, required: false);
    }

    public static readonly Sheet<MembershipEntry> Sheet = new("memberships")
    {
        Optional = ["until", "overrideReason"],
        OfficesLoad = true,
        // the exception is the health authority's alone (an operator loads what it decided)
        MayWrite = (entry, caller, alliance, _) => entry.OverrideReason is not null
            ? caller.Role == Role.Regulator
            : caller.Role == Role.AllianceOffice && alliance.LeadOf(entry.Alliance!) == caller.Institution,
        More = (entry, caller) => [("OverrideBy", entry.OverrideReason is null ? null : caller is null ? "import" : $"{caller.Institution}|{caller.Subject}")],
        Upsert = """
            insert into membership as row (alliance, institution, since, until, tightness, lead, override_reason, override_by)
            select @Alliance, @Institution, @From, @Until, a.tightness, a.lead, @OverrideReason, @OverrideBy
            from (select 1) one left join alliance a on a.id = @Alliance
            on conflict (alliance, institution, since) do update set (until, override_reason, override_by, version)
                = (excluded.until, excluded.override_reason, excluded.override_by, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.until, row.override_reason) is distinct from (excluded.until, excluded.override_reason)
            """,
        Select = """
            select alliance || '/' || institution || '/' || since as key, version, alliance, institution, since as "from", until, override_reason
            from membership
            """,
    };
}

/// <summary>An emergency is accepted before it is asked: by whom, from whom, for which channel.</summary>
internal sealed record StandingAgreementEntry : IEntry
{
    public string? Id { get; init; }
    /// <summary><c>*</c>: any institution that shares an alliance with the receiver.</summary>
    public string? Sender { get; init; }
    public string? Receiver { get; init; }
    /// <summary><c>*</c>: any emergency.</summary>
    public string? GreenChannel { get; init; }
    public DateOnly? From { get; init; }
    public DateOnly? Until { get; init; }

    public void Check(Checks checks)
    {
        checks.Id(Id, "/id");
        if (Sender != "*")
            checks.Institution(Sender, "/sender");
        checks.Institution(Receiver, "/receiver");
        checks.That(GreenChannel == "*" || Enum.GetNames<global::Referrals.Contracts.GreenChannel>().Contains(GreenChannel), "/greenChannel",
            $"* or one of {string.Join(", ", Enum.GetNames<global::Referrals.Contracts.GreenChannel>())}.", $"应为 * 或 {string.Join("、", Enum.GetNames<global::Referrals.Contracts.GreenChannel>())} 之一。");
        checks.Period(From, Until);
    }

    public static readonly Sheet<StandingAgreementEntry> Sheet = new("standing-agreements")
    {
        Optional = ["until"],
        // it binds the receiver: the receiver's own office signs it
        MayWrite = (entry, caller, alliance, day) => caller.Role == Role.AllianceOffice && Offices.Serves(caller, entry.Receiver!, alliance, day),
        Upsert = """
            insert into standing_agreement as row (id, sender, receiver, green_channel, since, until)
            values (@Id, nullif(@Sender, '*'), @Receiver, nullif(@GreenChannel, '*'), @From, @Until)
            on conflict (id) do update set (sender, receiver, green_channel, since, until, version)
                = (excluded.sender, excluded.receiver, excluded.green_channel, excluded.since, excluded.until, row.version + 1)
                where (@ReadVersion is null or row.version = @ReadVersion)
                  and (row.sender, row.receiver, row.green_channel, row.since, row.until)
                      is distinct from (excluded.sender, excluded.receiver, excluded.green_channel, excluded.since, excluded.until)
            """,
        Select = """
            select id as key, version, id, coalesce(sender, '*') as sender, receiver, coalesce(green_channel, '*') as green_channel, since as "from", until
            from standing_agreement
            """,
    };
}
