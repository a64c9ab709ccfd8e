namespace ReferralService.Alliances.Settings;

/// <summary>Everyday rules, or those of a public emergency (突发公共卫生事件).</summary>
internal enum Profile { PEACETIME, SURGE }

/// <summary>From then on an alliance lives by this profile.</summary>
internal sealed record ProfileSwitch(string Alliance, Profile Profile, DateTimeOffset Since);

/// <summary>A version of what an alliance, or one of its members, has set; null leaves it to the next wider one.</summary>
internal sealed record AllianceSetting(
    string Alliance, string? Institution, Profile? Profile, DateTimeOffset Since,
    bool? InternalReview, bool? LeadSignsOutOfRegion, bool? VillageClinicsSubmit);

/// <summary>What holds for one institution at one moment.</summary>
/// <param name="Alliance">The alliance it is inherited from: the tight one first; none for a lone institution.</param>
/// <param name="InternalReview">The sender's head signs before a referral leaves; never for emergencies and contracted patients.</param>
/// <param name="LeadSignsOutOfRegion">What leaves region and alliance is signed by the lead hospital first.</param>
/// <param name="VillageClinicsSubmit">A village clinic sends to a hospital itself; otherwise it drafts for its township.</param>
internal sealed record EffectiveSettings(string? Alliance, Profile Profile, bool InternalReview, bool LeadSignsOutOfRegion, bool VillageClinicsSubmit)
{
    public static readonly EffectiveSettings Default = new(null, Profile.PEACETIME, false, true, false);
}

/// <summary>Every version of every alliance's settings: a member inherits what it has not set itself.</summary>
internal sealed class SettingBook(IEnumerable<ProfileSwitch> switches, IEnumerable<AllianceSetting> settings)
{
    public static readonly SettingBook Empty = new([], []);

    private readonly ILookup<string, ProfileSwitch> _switches = switches.OrderByDescending(s => s.Since).ToLookup(s => s.Alliance);
    private readonly ILookup<string, AllianceSetting> _settings = settings.OrderByDescending(s => s.Since).ToLookup(s => s.Alliance);

    public Profile ProfileOf(string? alliance, DateTimeOffset at) => alliance is null ? Profile.PEACETIME
        : _switches[alliance].FirstOrDefault(s => s.Since <= at)?.Profile ?? Profile.PEACETIME;

    public EffectiveSettings Of(string institution, string? alliance, DateTimeOffset at)
    {
        if (alliance is null)
            return EffectiveSettings.Default;
        var profile = ProfileOf(alliance, at);
        // the member's own before the alliance's, what is said for this profile before what is said for both
        var known = _settings[alliance].Where(s => s.Since <= at && (s.Institution is null || s.Institution == institution) && (s.Profile is null || s.Profile == profile))
            .OrderBy(s => s.Institution is null).ThenBy(s => s.Profile is null).ThenByDescending(s => s.Since).ToArray();
        var fallback = EffectiveSettings.Default;
        return new(alliance, profile,
            First(s => s.InternalReview) ?? fallback.InternalReview,
            First(s => s.LeadSignsOutOfRegion) ?? fallback.LeadSignsOutOfRegion,
            First(s => s.VillageClinicsSubmit) ?? fallback.VillageClinicsSubmit);

        bool? First(Func<AllianceSetting, bool?> value) => known.Select(value).FirstOrDefault(v => v is not null);
    }
}
