using Referrals.Contracts;
using ReferralService.Alliances.Settings;
using ReferralService.Deadlines;
using ReferralService.Matching;
using ReferralService.Referrals;
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

/// <param name="Roles">Who of that side may use it; all when null.</param>
internal sealed record ReasonCode(
    string List, string Code, string Side, bool TextRequired, string NameZh, string NameEn,
    string[]? Roles = null, DateOnly Since = default, DateOnly? Until = null)
{
    public bool Holds(DateOnly on) => Since <= on && (Until is null || Until >= on);
}

/// <summary>A grid of residence: the responsible alliance and primary institution, and where people go up by default.</summary>
internal sealed record Grid(string Code, string Name, string Region, string? Alliance, string? Institution, string? Target);

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
    private readonly ILookup<string, Department> _departmentsOf;
    private readonly ILookup<(string, string?), Clinician> _cliniciansOf;
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
        _departmentsOf = departments.ToLookup(d => d.Institution);
        _clinicians = clinicians.ToDictionary(c => c.Id);
        _cliniciansOf = _clinicians.Values.ToLookup(c => (c.Institution, c.Department));
        _alliances = alliances.ToDictionary(a => a.Id);
        _memberships = memberships.ToLookup(m => m.Institution);
        _agreements = agreements.ToLookup(a => a.Receiver);
        _reasons = reasons.ToDictionary(r => (r.List, r.Code));
        _sensitiveGroups = [.. sensitiveGroups];
    }

    /// <summary>Grids of residence by code.</summary>
    public IReadOnlyDictionary<string, Grid> Grids { get; init; } = new Dictionary<string, Grid>();

    public TimerBook Timers { get; init; } = TimerBook.Defaults;
    public SettingBook Settings { get; init; } = SettingBook.Empty;
    /// <summary>What the alliances weigh differently when candidates are ranked.</summary>
    public MatchWeightBook MatchWeights { get; init; } = MatchWeightBook.Empty;
    /// <summary>Working-time calendars by id.</summary>
    public IReadOnlyDictionary<string, WorkingTime> Calendars { get; init; } = new Dictionary<string, WorkingTime>();

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

    public IEnumerable<Department> DepartmentsOf(string institution) => _departmentsOf[institution];

    public IEnumerable<Clinician> CliniciansOf(string institution, string department) => _cliniciansOf[(institution, department)];

    public bool WorksAt(string clinician, string institution) =>
        _clinicians.TryGetValue(clinician, out var known) && known.Institution == institution;

    public Clinician? Clinician(string id) => _clinicians.GetValueOrDefault(id);

    public ReasonCode? Reason(string list, string code, DateOnly on) =>
        _reasons.TryGetValue((list, code), out var known) && known.Holds(on) ? known : null;

    public IEnumerable<ReasonCode> ReasonsOf(string list, DateOnly on) => _reasons.Values.Where(r => r.List == list && r.Holds(on));

    public IReadOnlyList<string> ReasonCodes(string list, DateOnly on) => [.. ReasonsOf(list, on).Select(r => r.Code).Order(StringComparer.Ordinal)];

    public Alliance? Alliance(string id) => _alliances.GetValueOrDefault(id);

    public string? LeadOf(string alliance) => _alliances.GetValueOrDefault(alliance)?.Lead;

    public Grid? Grid(string? code) => code is null ? null : Grids.GetValueOrDefault(code);

    public IEnumerable<ReasonCode> Reasons => _reasons.Values;

    /// <summary>True for illnesses that even a colleague sees only with a reason.</summary>
    public bool IsSensitive(string? diagnosis, DateOnly on) => diagnosis is not null
        && (_sensitiveGroups.Contains(diagnosis[..Math.Min(3, diagnosis.Length)].ToUpperInvariant()) || Rules.InSet(RuleBook.Sensitive, diagnosis, on));

    /// <summary>Everything that <see cref="IsSensitive"/> goes by on a day: who kept it sees whether that changed.</summary>
    public IReadOnlySet<string> SensitiveOn(DateOnly on) =>
        _sensitiveGroups.Concat(Rules.RangesOf(RuleBook.Sensitive, on).Select(r => $"range {r}")).ToHashSet();

    public IEnumerable<string> AlliancesOf(string institution, DateOnly on) =>
        _memberships[institution].Where(m => m.Since <= on && (m.Until is null || m.Until >= on)).Select(m => m.Alliance);

    public IEnumerable<Alliance> SharedAlliances(string a, string b, DateOnly on) =>
        AlliancesOf(a, on).Intersect(AlliancesOf(b, on)).Select(id => _alliances[id]);

    /// <summary>
    /// The alliance whose rules hold for an institution, or for two of them together: one they share before the first
    /// one's own, the tight one before all others, then by id.
    /// </summary>
    public string? HomeOf(string institution, string? other, DateOnly on)
    {
        string? home = null;
        var rank = int.MaxValue;
        foreach (var m in _memberships[institution])
        {
            if (m.Since > on || m.Until < on || !_alliances.TryGetValue(m.Alliance, out var alliance))
                continue;
            var shared = other is null || _memberships[other].Any(o => o.Alliance == m.Alliance && o.Since <= on && (o.Until is null || o.Until >= on));
            var its = (shared ? 0 : 10) + alliance.Tightness switch { "Tight" => 0, "SemiTight" => 1, "Mixed" => 2, _ => 3 };
            if (its < rank || its == rank && string.CompareOrdinal(m.Alliance, home) < 0)
                (home, rank) = (m.Alliance, its);
        }
        return home;
    }

    /// <summary>What holds for an institution at a moment, by inheritance.</summary>
    public EffectiveSettings SettingsOf(string institution, DateTimeOffset at) =>
        Settings.Of(institution, HomeOf(institution, null, ChinaTime.DayOf(at)), at);

    /// <summary>The ladder of a timer for a referral, as it held at <paramref name="at"/>.</summary>
    public TimerSetting TimerFor(string timer, Referral r, DateTimeOffset at)
    {
        if (Timers.Own.Count == 0)
            return Timers.Find(timer, null, r.Priority, r.Kind, Profile.PEACETIME, at);
        var home = HomeOf(r.Sender, r.Receiver, ChinaTime.DayOf(at));
        return Timers.Find(timer, home, r.Priority, r.Kind, Settings.ProfileOf(home, at), at);
    }

    /// <summary>Ids of all alliances, in order.</summary>
    public IEnumerable<string> Alliances => _alliances.Keys.Order(StringComparer.Ordinal);

    /// <summary>Everybody who is or was in it, with the days.</summary>
    public IReadOnlyList<Membership> MembersOf(string alliance) => [.. _memberships.SelectMany(m => m).Where(m => m.Alliance == alliance)];

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

    /// <summary>Another region, and no alliance in common (外转).</summary>
    public bool LeavesRegion(string sender, string receiver, DateOnly on) =>
        Find(sender) is { } from && Find(receiver) is { } to && from.Region != to.Region && !ShareAnAlliance(sender, receiver, on);

    /// <summary>It leaves region and alliance, and the sender's settings say that the lead hospital signs first.</summary>
    public bool LeadSigns(string sender, string receiver, DateTimeOffset at) =>
        LeavesRegion(sender, receiver, ChinaTime.DayOf(at)) && SettingsOf(sender, at) is { Alliance: not null, LeadSignsOutOfRegion: true };

    /// <summary>A village clinic sends past its township, and the settings do not let it.</summary>
    public bool PassesItsTownship(string sender, string receiver, DateTimeOffset at) =>
        Find(sender) is { Level: "VillageClinic", Parent: { } township } && township != receiver && !SettingsOf(sender, at).VillageClinicsSubmit;

    /// <summary>The lead hospital of the alliance an institution belongs to first; null for a lone one.</summary>
    public string? LeadFor(string institution, DateOnly on) => HomeOf(institution, null, on) is { } home ? LeadOf(home) : null;

    /// <summary>The step of the stair an institution stands on; -1 for one that is not in the directory.</summary>
    public int StepOf(string institution) => Find(institution) is { } known ? Tier(known) : -1;

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
