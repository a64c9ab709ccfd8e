using Npgsql;
using Referrals.Contracts;
using ReferralService.Alliances;
using ReferralService.Referrals.Reading;
using ReferralService.Rules;
using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Matching;

/// <summary>Looks up what a ranking needs, ranks, and says it in words.</summary>
internal sealed class MatchDesk(NpgsqlDataSource database, AllianceDirectory directory, MatchOffers offers, TimeProvider clock)
{
    /// <summary>The ranking of a question whose departments are still open, or why there is none.</summary>
    /// <param name="asked">The department that was asked for; the rules name some when null.</param>
    public async Task<(Matches? Matches, Problem? Problem)> Rank(MatchQuestion q, string? asked, RuleQuestion rules, int limit)
    {
        var alliance = directory.Current;
        var met = rules.Diagnosis is null || !q.IsUp ? []
            : alliance.Rules.Covering(rules.Diagnosis, q.On).SelectMany(p => p.Criteria!)
                .Where(c => c.Direction == Direction.Up && c.IsMet(rules.Diagnosis, rules.Indications, rules.Measures)).ToArray();
        var departments = asked is not null ? [asked] : Departments(q, rules.Diagnosis, met, alliance);
        if (departments.Count == 0)
            return (null, Refusals.Rule("/department", "Name a department, a coded diagnosis or a green channel: nothing says who could treat this.", "请填写科室、诊断编码或绿色通道，否则无法判断由何科室接诊。"));
        q = q with
        {
            Departments = departments, Levels = [.. met.SelectMany(c => c.Levels ?? []).Distinct()],
            Resource = MatchQuestion.ResourceOf(q.Kind, q.JointWard),
            Weights = alliance.MatchWeights.Of(alliance.HomeOf(q.Sender, null, q.On), clock.GetUtcNow()),
        };
        // a department without a free-standing heading counts under what it belongs to
        var known = q.Resource is null ? new Dictionary<(string, string), FreeCapacity>()
            : await FreeCapacity.Of(database, q.Resource, [.. departments.Concat(departments.Select(d => d[..2])).Distinct()]);
        var now = clock.GetUtcNow();
        var ranked = Matcher.Rank(q, alliance, known);
        return (new(q.On, departments, ranked.Count, offers.Seal(q.Sender, ranked, now),
            [.. ranked.Take(limit).Select((c, i) => Line(c, i + 1, alliance))]), null);
    }

    // what the indication says, then the illness, then the emergency; downward what the patient needs
    private static IReadOnlyList<string> Departments(MatchQuestion q, string? diagnosis, IReadOnlyList<RuleCriterion> met, AllianceSnapshot alliance)
    {
        if (!q.IsUp)
            return q.PatientClass switch
            {
                PatientClass.Rehab => ["21"],
                PatientClass.Palliative => ["24", "02"],
                _ => ["02"],
            };
        if (q.Priority == Priority.Emergency)
            return q.GreenChannel switch
            {
                GreenChannel.ChestPain => ["03.04"],
                GreenChannel.Stroke => ["03.03"],
                GreenChannel.Obstetric => ["05.02"],
                GreenChannel.Neonatal => ["07"],
                _ => ["20"],
            };
        var indicated = met.Select(c => c.Department).OfType<string>().Distinct().Order(StringComparer.Ordinal).ToArray();
        return indicated.Length > 0 ? indicated : diagnosis is null ? [] : alliance.Rules.DepartmentsFor(diagnosis, q.On);
    }

    private static MatchLine Line(Candidate c, int rank, AllianceSnapshot alliance)
    {
        var (house, department) = (alliance.Find(c.Institution)!, alliance.DepartmentName(c.Institution, c.Department));
        var said = c.Reasons.Where(r => r.Points != 0 || r.Code == "DISTANCE").ToArray();
        return new(rank, c.Score, new(c.Institution, house.Name), house.Level, new(c.Department, department),
            c.Clinician is null ? null : new(c.Clinician, alliance.ClinicianName(c.Clinician)), c.EarliestOn, c.WaitingDays, c.Free, c.DistanceKm,
            $"{house.Name}{department}：{string.Join("；", said.Select(r => r.Sentence))}。",
            $"{house.Name}, {c.Department}: {string.Join("; ", said.Select(r => r.SentenceEn))}.", c.Reasons);
    }
}

/// <summary>Where the patient could go, best first.</summary>
/// <param name="Departments">Departments (诊疗科目) that were looked for.</param>
/// <param name="Count">How many candidates there are in all.</param>
/// <param name="Offer">Goes into the slip's <c>match</c> with the chosen target.</param>
internal sealed record Matches(DateOnly On, IReadOnlyList<string> Departments, int Count, string Offer, IReadOnlyList<MatchLine> Candidates);

/// <summary>One candidate: hospital, department and doctor, with the sentence that says why it stands here.</summary>
/// <param name="EarliestOn">First day with a free place, as scheduling last said.</param>
/// <param name="Free">Free places on that day.</param>
/// <param name="Sentence">For people, in Chinese.</param>
internal sealed record MatchLine(
    int Rank, int Score, Named Institution, string Level, Named Department, Named? Clinician, DateOnly? EarliestOn, int? WaitingDays,
    int? Free, int? DistanceKm, string Sentence, string SentenceEn, IReadOnlyList<MatchReason> Reasons);
