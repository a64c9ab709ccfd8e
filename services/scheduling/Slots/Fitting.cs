namespace SchedulingService.Slots;

/// <summary>Which places can take one more patient; parts of statements in which a slot is <c>s</c>, a ward <c>wd</c> and the patient's need <c>n</c>.</summary>
internal static class Fitting
{
    public const string SlotHasRoom = "s.taken < s.capacity and s.withdrawn_at is null";

    /// <summary>
    /// A reserved slot is for patients with a family-doctor contract, as far as their clinic's quota reaches, until it opens.
    /// What the patient has already does not count: it goes when he gets another place.
    /// </summary>
    public const string SlotIsFor = """
        (s.reserved_for is null or s.opened_at is not null
              or n.contracted and pool_has_room(s.institution, s.department, s.resource, n.sender, s.starts_at, n.referral_id))
        """;

    /// <summary>The week whose quota a booking of this slot counts against.</summary>
    public const string PoolWeek = """
        case when s.reserved_for is not null and s.opened_at is null
             then date_trunc('week', s.starts_at at time zone 'Asia/Shanghai')::date end
        """;

    /// <summary>Whether a bed of the ward <c>wd</c> suits the need: the department's own, or a joint ward made for such patients.</summary>
    public const string WardSuits = """
        case n.resource
              when 'Bed' then wd.eligibility is null and wd.department = n.department
              when 'Ward' then wd.eligibility is null or wd.eligibility = any (n.eligibility)
              else wd.eligibility = any (n.eligibility)
            end
        """;

    /// <summary>As what the beds of the ward <c>wd</c> are told: those of a joint ward are for its patients.</summary>
    public const string WardResource = "case when wd.eligibility is null then 'Bed' else 'Ward' end";

    /// <summary>As what a bed is booked for the need.</summary>
    public const string BedResource = "case n.resource when 'Bed' then 'Bed' else 'Ward' end";
}
