using System.Text.Json;

namespace ReferralService.Tests.Paths;

/// <summary>The alliance as the tables have it now, and its rules once more, written for the witness alone.</summary>
internal sealed class WitnessedAlliance
{
    private sealed record House(string Code, string Level, int Tier, string Region, string? Parent);

    private sealed record Member(string Alliance, string Institution, string Form, string Tightness, string Lead);

    private sealed record Setting(string Alliance, string? Institution, DateTimeOffset Since, bool? Review, bool? Lead, bool? Village);

    private sealed record Code(string List, string Name, bool TextRequired, string[]? Roles);

    private sealed record Contract(string Id, string Clinic, string? District, string? Municipal);

    private Dictionary<string, House> _houses = [];
    private ILookup<string, Member> _members = null!;
    private Setting[] _settings = [];
    private Dictionary<(string, string), Code> _codes = [];
    private Dictionary<string, Contract> _contracts = [];
    private JsonElement[] _packs = [];

    public static async Task<WitnessedAlliance> Read(ReferralHost host)
    {
        var today = DateOnly.FromDateTime(host.Clock.GetUtcNow().AddHours(8).DateTime);
        return new()
        {
            _houses = (await host.Database.Query<House>("select code, level, institution_tier(level) as tier, region, parent from institution")).ToDictionary(h => h.Code),
            _members = (await host.Database.Query<Member>("""
                select m.alliance, m.institution, a.form, a.tightness, a.lead from membership m join alliance a on a.id = m.alliance
                where m.since <= @today and (m.until is null or m.until >= @today)
                """, new { today })).ToLookup(m => m.Institution),
            _settings = [.. (await host.Database.Query<(string, string?, DateTimeOffset, bool?, bool?, bool?)>(
                "select alliance, institution, since, internal_review, lead_signs_out_of_region, village_clinics_submit from alliance_setting where profile is null"))
                .Select(s => new Setting(s.Item1, s.Item2, s.Item3, s.Item4, s.Item5, s.Item6))],
            _codes = (await host.Database.Query<Code>("""
                select list, code as name, text_required, roles from reason_code where since <= @today and (until is null or until >= @today)
                """, new { today })).ToDictionary(c => (c.List, c.Name)),
            _contracts = (await host.Database.Query<Contract>("select id, clinic, district, municipal from contract")).ToDictionary(c => c.Id),
            _packs = [.. (await host.Database.Query<string>("""
                select distinct on (id) content::text from rule_pack where since <= @today order by id, since desc
                """, new { today })).Select(text => JsonDocument.Parse(text).RootElement)],
        };
    }

    public int Tier(string house) => _houses[house].Tier;

    public bool Share(string a, string b) => _members[a].Any(m => _members[b].Any(o => o.Alliance == m.Alliance));

    public bool SkipsALevel(string from, string to) => Tier(to) > Tier(from) + 1
        && !_members[from].Any(m => m.Form is "CrossRegionSpecialistAlliance" or "TelemedicineNetwork" && _members[to].Any(o => o.Alliance == m.Alliance));

    public bool PassesTownship(string from, string to, DateTimeOffset at) =>
        _houses[from] is { Level: "VillageClinic", Parent: { } township } && to != township && !Says(from, at, s => s.Village, false);

    public bool Reviews(string from, DateTimeOffset at) => Says(from, at, s => s.Review, false);

    public string? LeadOf(string house) => Home(house)?.Lead;

    /// <summary>The lead hospital whose signature is needed; null where none is.</summary>
    public string? LeadSigns(string from, string to, DateTimeOffset at) =>
        _houses[from].Region != _houses[to].Region && !Share(from, to) && Home(from) is { } home && Says(from, at, s => s.Lead, true) ? home.Lead : null;

    public bool Contracted(Witness.Row r) => r.ContractId is not null && _contracts.TryGetValue(r.ContractId, out var c)
        && new[] { c.Clinic, c.District, c.Municipal }.Any(h => h == r.Sender || h is not null && h == r.Origin);

    // the tight one before the others
    private Member? Home(string house) => _members[house]
        .OrderBy(m => Array.IndexOf(["Tight", "SemiTight", "Mixed", "Loose"], m.Tightness)).ThenBy(m => m.Alliance, StringComparer.Ordinal).FirstOrDefault();

    private bool Says(string house, DateTimeOffset at, Func<Setting, bool?> what, bool otherwise) =>
        Home(house) is not { } home ? otherwise : _settings
            .Where(s => s.Alliance == home.Alliance && (s.Institution is null || s.Institution == house) && s.Since <= at && what(s) is not null)
            .OrderByDescending(s => s.Institution is not null).ThenByDescending(s => s.Since).Select(what).FirstOrDefault() ?? otherwise;

    /// <summary>What stands against a reason; null where nothing does.</summary>
    public string? Objection(string list, string? code, string role, bool explained) =>
        code is null || !_codes.TryGetValue((list, code), out var known) ? "not of the list"
        : known.Roles is { Length: > 0 } roles && !roles.Contains(role) ? $"not for a {role}"
        : known.TextRequired && !explained ? "without the text it needs" : null;

    /// <summary>Codes of the warnings that a transfer upward has to answer.</summary>
    public IEnumerable<string> Warnings(Witness.Row r, JsonElement slip)
    {
        if (r.Kind is not ("OutpatientTransfer" or "InpatientTransfer") || r.DiagnosisCode is not { } diagnosis)
            yield break;
        foreach (var pack in _packs.Where(p => Among(p, diagnosis)))
        {
            var met = pack.GetProperty("criteria").EnumerateArray().Where(c => c.GetProperty("direction").GetString() == "Up" && IsMet(c, diagnosis, slip)).ToArray();
            if (met.Length == 0 && pack.GetProperty("firstContact").GetBoolean())
                yield return "IN_CATALOGUE_NO_INDICATION";
            // levels speak when every indication that is met names some
            var levels = met.Select(c => Strings(c, "levels").ToArray()).ToArray();
            if (levels.Length == 0 || levels.Any(l => l.Length == 0) || levels.Any(l => l.Contains(_houses[r.Target].Level)))
                continue;
            var needed = levels.SelectMany(l => l).Select(TierOf).ToArray();
            if (Tier(r.Target) < needed.Min())
                yield return "RECEIVING_TIER_TOO_LOW";
            if (Tier(r.Target) > needed.Max())
                yield return "RECEIVING_TIER_TOO_HIGH";
        }
    }

    private int TierOf(string level) => _houses.Values.First(h => h.Level == level).Tier;

    private static bool IsMet(JsonElement criterion, string diagnosis, JsonElement slip) =>
        Strings(slip, "indications").Contains(criterion.GetProperty("code").GetString()!) || Among(criterion, diagnosis)
        || criterion.TryGetProperty("measure", out var measure) && measure.ValueKind == JsonValueKind.Object
            && slip.TryGetProperty("measures", out var measured) && measured.ValueKind == JsonValueKind.Object
            && measured.TryGetProperty(measure.GetProperty("name").GetString()!, out var value)
            && (!Number(measure, "atLeast", out var least) || value.GetDecimal() >= least) && (!Number(measure, "below", out var below) || value.GetDecimal() < below);

    private static bool Among(JsonElement of, string diagnosis) => Strings(of, "codes").Any(range =>
    {
        var ends = range.Split('-');
        return string.CompareOrdinal(Cut(ends[0]), ends[0]) >= 0 && string.CompareOrdinal(Cut(ends[^1]), ends[^1]) <= 0;

        string Cut(string end) => diagnosis.Length <= end.Length ? diagnosis : diagnosis[..end.Length];
    });

    private static bool Number(JsonElement of, string member, out decimal number)
    {
        number = 0;
        return of.TryGetProperty(member, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetDecimal(out number);
    }

    private static IEnumerable<string> Strings(JsonElement of, string member) =>
        of.TryGetProperty(member, out var list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray().Select(s => s.GetString()!) : [];
}
