using ReferralService.Alliances;

namespace ReferralService.Tests.Alliances;

/// <summary>The four alliances that the source documents name, as fixtures: institutions by short names, told apart by shape.</summary>
internal static class Topologies
{
    public const string Star = "1+2+X 安宁", ThreeTiers = "县乡村一体 克东", Groups = "四个集团 郸城", Across = "中医联盟 沾化";

    public static readonly DateOnly Today = new(2026, 3, 2);

    /// <summary>1+2+X: one hospital leads two others and all the clinics; whatever has no bed of its own is an X.</summary>
    private static readonly Shape StarShape = new Shape()
        .House("LEAD", "SecondaryHospital").House("SECOND-1", "SecondaryHospital").House("SECOND-2", "SecondaryHospital")
        .House("X-1", "TownshipHealthCentre").House("X-2", "CommunityHealthCentre").House("X-3", "TownshipHealthCentre")
        .House("CITY", "TertiaryHospital", region: "530100")
        .Bond("star", "CountyMedicalCommunity", "Tight", "LEAD", "SECOND-1 SECOND-2 X-1 X-2 X-3");

    /// <summary>County, township, village: each below the next, in one tight community.</summary>
    private static readonly Shape ThreeTierShape = new Shape()
        .House("COUNTY", "SecondaryHospital").House("TOWN", "TownshipHealthCentre", "COUNTY").House("OTHER-TOWN", "TownshipHealthCentre", "COUNTY")
        .House("VILLAGE", "VillageClinic", "TOWN").House("CITY", "TertiaryHospital", region: "230200")
        .Bond("community", "CountyMedicalCommunity", "Tight", "COUNTY", "TOWN OTHER-TOWN VILLAGE");

    /// <summary>Four groups side by side in one county, each with a lead of its own.</summary>
    private static readonly Shape GroupShape = new Shape()
        .House("LEAD-1", "SecondaryHospital").House("LEAD-2", "SecondaryHospital").House("LEAD-3", "SecondaryHospital").House("LEAD-4", "SecondaryHospital")
        .House("TOWN-1", "TownshipHealthCentre", "LEAD-1").House("TOWN-2", "TownshipHealthCentre", "LEAD-2")
        .House("NEXT-COUNTY", "SecondaryHospital", region: "411626")
        .Bond("group-1", "CountyMedicalCommunity", "Tight", "LEAD-1", "TOWN-1").Bond("group-2", "CountyMedicalCommunity", "Tight", "LEAD-2", "TOWN-2")
        .Bond("group-3", "CountyMedicalCommunity", "Tight", "LEAD-3", "").Bond("group-4", "CountyMedicalCommunity", "Tight", "LEAD-4", "");

    /// <summary>A county's community, and an alliance of Chinese medicine that reaches into other counties.</summary>
    private static readonly Shape AcrossShape = new Shape()
        .House("COUNTY", "SecondaryHospital").House("TOWN", "TownshipHealthCentre", "COUNTY").House("LONE", "TownshipHealthCentre", region: "370323")
        .House("TCM", "TertiaryHospital", region: "370102").House("CITY", "TertiaryHospital", region: "370102")
        .Bond("community", "CountyMedicalCommunity", "Tight", "COUNTY", "TOWN")
        .Bond("tcm", "CrossRegionSpecialistAlliance", "Loose", "TCM", "COUNTY TOWN");

    public static AllianceSnapshot Of(string name) => name switch
    {
        Star => StarShape.Snapshot, ThreeTiers => ThreeTierShape.Snapshot, Groups => GroupShape.Snapshot, Across => AcrossShape.Snapshot,
        _ => throw new ArgumentOutOfRangeException(nameof(name), name, "no such shape"),
    };

    private sealed class Shape
    {
        private const string Home = "999999";
        private readonly List<Institution> _houses = [];
        private readonly List<Alliance> _alliances = [];
        private readonly List<Membership> _members = [];

        public Shape House(string code, string level, string? parent = null, string region = Home)
        {
            _houses.Add(new(code, code, level, "General", "Public", region, null, null, null, parent, [], null, true));
            return this;
        }

        public Shape Bond(string id, string form, string tightness, string lead, string members)
        {
            _alliances.Add(new(id, id, form, tightness, lead));
            _members.AddRange(members.Split(' ', StringSplitOptions.RemoveEmptyEntries).Append(lead).Select(m => new Membership(id, m, new(2020, 1, 1), null)));
            return this;
        }

        public AllianceSnapshot Snapshot => new(1, _houses, [], [], _alliances, _members, [new(null, _alliances[0].Lead, "Stroke", new(2020, 1, 1), null)], [], []);
    }
}
