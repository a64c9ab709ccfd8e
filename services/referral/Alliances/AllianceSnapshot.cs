using Referrals.Contracts;
using ReferralService.Rules;

namespace ReferralService.Alliances;

internal sealed record Institution(
    string Code, string Name, string Level, string Type, string Ownership, string Region, string? Grid,
    double? Latitude, double? Longitude, string? Parent, string[] Services, string? Phone, bool Synthetic);

internal sealed record Department(string Institution, string Code, string Name, bool Bookable);

internal sealed record Clinician(string Id, string Institution, string? Department, string Name, string? Title);

internal sealed record Membership(string Alliance, string Institution, DateOnly Since, DateOnly? Until);

internal sealed record Alliance(string Id, string Name, string Form, string Tightness, string Lead);

internal sealed record StandingAgreement(string? Sender, string Receiver, string? GreenChannel, DateOnly Since, DateOnly? Until);

internal sealed record ReasonCode(string List, string Code, string Side, bool TextRequired, string NameZh, string NameEn);

/// <summary>
/// The alliance at one moment: institutions, departments, clinicians, agreements and reason codes, immutable and in
/// memory. A move is judged against one snapshot from beginning to end.
/// </summary>
internal sealed class AllianceSnapshot
{
    public static readonly AllianceSnapshot Empty = new(0, [], [], [], [], [], [], [], []);

    private readonly Dictionary<string, Institution> _institutions;
    private readonly Dictionary<string, Institution> _byName;
    private readonly HashSet<(string, string)> _departments;
    private readonly Dictionary<(string, string), string> _departmentNames;
    private readonly Dictionary<string, Clinician> _clinicians;
    private readonly Dictionary<string, Alliance> _alliances;
    private readonly ILookup<string, Membership> _memberships;
    private readonly ILookup<string, StandingAgreement> _agreements;
    private readonly Dictionary<(string, string), ReasonCode> _reasons;
    private readonly HashSet<string> _sensitiveGroups;

    public AllianceSnapshot(
        long version, IEnumerable<Institution> institutions, IEnumerable<Department> departments,
        IEnumerable<Clinician> clinicians, IEnumerable<Alliance> alliances, IEnumerable<Membership> memberships,
        IEnumerable<StandingAgreement> agreements, IEnumerable<ReasonCode> reasons, IEnumerable<string> sensitiveGroups)
    {
        Version = version;
        _institutions = institutions.ToDictionary(i => i.Code);
        _byName = _institutions.Values.GroupBy(i => i.Name).Where(g => g.Count() == 1).ToDictionary(g => g.Key, g => g.Single());
        _departmentNames = departments.ToDictionary(d => (d.Institution, d.Code), d => d.Name);
        _departments = [.. _departmentNames.Keys];
        _clinicians = clinicians.ToDictionary(c => c.Id);
        _alliances = alliances.ToDictionary(a => a.Id);
        _memberships = memberships.ToLookup(m => m.Institution);
        _agreements = agreements.ToLookup(a => a.Receiver);
        _reasons = reasons.ToDictionary(r => (r.List, r.Code));
        _sensitiveGroups = [.. sensitiveGroups];
    }

    public long Version { get; }

    /// <summary>Indications, sets of diagnoses and specialties, as of the same moment.</summary>
    public RuleBook Rules { get; init; } = RuleBook.Empty;
    public IReadOnlyCollection<Institution> Institutions => _institutions.Values;

    /// <summary>By code, or by exact name where only one has it.</summary>
    public Institution? Find(string codeOrName) =>
        _institutions.GetValueOrDefault(codeOrName) ?? _byName.GetValueOrDefault(codeOrName);

    public string? NameOf(string code) => _institutions.GetValueOrDefault(code)?.Name;

    public string? DepartmentName(string institution, string? department) =>
        department is null ? null : _departmentNames.GetValueOrDefault((institution, department));

    public string? ClinicianName(string? id) => id is null ? null : _clinicians.GetValueOrDefault(id)?.Name;

    public bool HasDepartment(string institution, string? department) =>
        department is not null && _departments.Contains((institution, department));

    public bool WorksAt(string clinician, string institution) =>
        _clinicians.TryGetValue(clinician, out var known) && known.Institution == institution;

    public ReasonCode? Reason(string list, string code) => _reasons.GetValueOrDefault((list, code));

    public IReadOnlyList<string> ReasonCodes(string list) =>
        [.. _reasons.Values.Where(r => r.List == list).Select(r => r.Code).Order(StringComparer.Ordinal)];

    public IEnumerable<ReasonCode> Reasons => _reasons.Values;

    /// <summary>True for illnesses that even a colleague sees only with a reason.</summary>
    public bool IsSensitive(string? diagnosis, DateOnly on) => diagnosis is not null
        && (_sensitiveGroups.Contains(diagnosis[..Math.Min(3, diagnosis.Length)].ToUpperInvariant()) || Rules.InSet(RuleBook.Sensitive, diagnosis, on));

    public IEnumerable<string> AlliancesOf(string institution, DateOnly on) =>
        _memberships[institution].Where(m => m.Since <= on && (m.Until is null || m.Until >= on)).Select(m => m.Alliance);

    public bool ShareAnAlliance(string a, string b, DateOnly on) => AlliancesOf(a, on).Intersect(AlliancesOf(b, on)).Any();

    /// <summary>True when an emergency of this sender and channel is accepted by the receiver before it is asked.</summary>
    public bool HasStandingAgreement(string sender, string receiver, GreenChannel? channel, DateOnly on) =>
        _agreements[receiver].Any(a => a.Since <= on && (a.Until is null || a.Until >= on)
            && (a.GreenChannel is null || a.GreenChannel == channel?.ToString())
            && (a.Sender == sender || a.Sender is null && ShareAnAlliance(sender, receiver, on)));

    /// <summary>More than one level up in the tree, and no specialist alliance or telemedicine network in between.</summary>
    public bool SkipsALevel(string sender, string receiver, DateOnly on)
    {
        if (Find(sender) is not { } from || Find(receiver) is not { } to || Tier(to) - Tier(from) <= 1)
            return false;
        return !AlliancesOf(sender, on).Intersect(AlliancesOf(receiver, on))
            .Any(id => _alliances[id].Form is "CrossRegionSpecialistAlliance" or "TelemedicineNetwork");
    }

    public static int Tier(Institution institution) => TierOf(institution.Level);

    /// <summary>Height of a level of institution: 0 village, 1 township, 2 county, 3 tertiary.</summary>
    public static int TierOf(string level) => level switch
    {
        "VillageClinic" => 0,
        "TownshipHealthCentre" or "CommunityHealthCentre" => 1,
        "SecondaryHospital" or "DiagnosticCentre" or "PublicHealthInstitution" => 2,
        "TertiaryHospital" or "InternetHospital" => 3,
        _ => 1,
    };

    public static bool IsLevel(string level) => level is "VillageClinic" or "TownshipHealthCentre" or "CommunityHealthCentre"
        or "SecondaryHospital" or "TertiaryHospital" or "RehabInstitution" or "NursingHome" or "DiagnosticCentre"
        or "PublicHealthInstitution" or "InternetHospital";
}
