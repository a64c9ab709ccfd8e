using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Matching;

namespace ReferralService.Tests.Matching;

/// <summary>A small alliance to rank in: institutions, bonds, free places; built in whatever order a test likes.</summary>
internal sealed class Ground
{
    public static readonly DateOnly Today = new(2026, 3, 2);
    private static readonly DateOnly Ever = new(2020, 1, 1);

    public List<Institution> Institutions { get; init; } = [];
    public List<Department> Departments { get; init; } = [];
    public List<Clinician> Clinicians { get; init; } = [];
    public List<Alliance> Alliances { get; init; } = [];
    public List<Membership> Memberships { get; init; } = [];
    public List<StandingAgreement> Agreements { get; init; } = [];
    public List<Grid> Grids { get; init; } = [];
    public List<FreeCapacity> Capacity { get; init; } = [];

    public Ground House(string code, string level, string departments = "", double? at = null, string services = "", string? grid = null)
    {
        // a hundredth of a degree of latitude is 1.1 km
        Institutions.Add(new(code, code, level, "General", "Public", "210600", grid, at is null ? null : 40 + at / 111.2, at is null ? null : 124, null, Words(services), null, true));
        Departments.AddRange(Words(departments).Select(d => new Department(code, d, "科室" + d, true)));
        return this;
    }

    public Ground Bond(string id, string form, string tightness, string lead, string members)
    {
        Alliances.Add(new(id, id, form, tightness, lead));
        Memberships.AddRange(Words(members).Append(lead).Select(m => new Membership(id, m, Ever, null)));
        return this;
    }

    public Ground Agreed(string sender, string receiver, string? channel = null)
    {
        Agreements.Add(new(sender, receiver, channel, Ever, null));
        return this;
    }

    public Ground Free(string institution, string department, int inDays, int count = 1, string resource = "Slot")
    {
        Capacity.RemoveAll(c => (c.Institution, c.Department) == (institution, department));
        Capacity.Add(new(institution, department, resource, count == 0 ? [] : [Today.AddDays(inDays)], count == 0 ? [] : [count], DateTimeOffset.UnixEpoch));
        return this;
    }

    public Ground Full(string institution, string department) => Free(institution, department, 0, 0);

    public Ground Copy() => new()
    {
        Institutions = [.. Institutions], Departments = [.. Departments], Clinicians = [.. Clinicians], Alliances = [.. Alliances],
        Memberships = [.. Memberships], Agreements = [.. Agreements], Grids = [.. Grids], Capacity = [.. Capacity],
    };

    public IReadOnlyList<Candidate> Rank(MatchQuestion question) => Matcher.Rank(question,
        new(1, Institutions, Departments, Clinicians, Alliances, Memberships, Agreements, [], []) { Grids = Grids.ToDictionary(g => g.Code) },
        Capacity.ToDictionary(c => (c.Institution, c.Department)));

    public static MatchQuestion Ask(string sender, string departments = "03.03") => new()
    {
        Kind = ReferralKind.OutpatientTransfer, Sender = sender, Departments = Words(departments), On = Today,
    };

    private static string[] Words(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
