using Referrals.Contracts;
using ReferralService.Alliances;

namespace ReferralService.Matching;

/// <summary>
/// Ranks where a patient could go. A pure function: the same question on the same ground gives the same order, however
/// the ground was read; a candidate's score depends on nobody else's; and it never falls because a place became free
/// sooner, came nearer or joined an alliance.
/// </summary>
internal static class Matcher
{
    /// <summary>All candidates, best first; equal scores go by waiting time, distance and code, so that no order is left to chance.</summary>
    public static IReadOnlyList<Candidate> Rank(
        MatchQuestion question, AllianceSnapshot alliance, IReadOnlyDictionary<(string Institution, string Department), FreeCapacity> capacity)
    {
        if (alliance.Find(question.Sender) is not { } sender)
            return [];
        return [.. alliance.Institutions
            .Where(i => MayReceive(i, sender, question))
            .SelectMany(i => Departments(i, question, alliance).Select(d => Judge(i, d.Code, d.Exact, sender, question, alliance, capacity.GetValueOrDefault((i.Code, d.Code)))))
            .OrderByDescending(c => c.Score)
            .ThenBy(c => c.WaitingDays ?? int.MaxValue)
            .ThenBy(c => c.DistanceKm ?? int.MaxValue)
            .ThenBy(c => c.Institution, StringComparer.Ordinal)
            .ThenBy(c => c.Department, StringComparer.Ordinal)];
    }

    // upward to the same level or above, downward below; never to oneself, never back to who had it, never from sandbox to real
    private static bool MayReceive(Institution candidate, Institution sender, MatchQuestion q)
    {
        if (candidate.Code == sender.Code || candidate.Synthetic != sender.Synthetic || q.Tried.Contains(candidate.Code))
            return false;
        var (there, here) = (AllianceSnapshot.Tier(candidate), AllianceSnapshot.Tier(sender));
        return q.IsUp ? there >= here && there > 0 && candidate.Level is not ("NursingHome" or "RehabInstitution") : there < here;
    }

    // the department itself; where a house has none, the one it belongs to (03.07 → 03)
    private static IEnumerable<(string Code, bool Exact)> Departments(Institution candidate, MatchQuestion q, AllianceSnapshot alliance)
    {
        var has = alliance.DepartmentsOf(candidate.Code);
        var exact = has.Where(d => d.Bookable && q.Departments.Contains(d.Code)).Select(d => (d.Code, true)).ToArray();
        return exact.Length > 0 ? exact
            : has.Where(d => d.Bookable && d.Code.Length == 2 && q.Departments.Any(wanted => wanted.StartsWith(d.Code, StringComparison.Ordinal))).Select(d => (d.Code, false));
    }

    private static Candidate Judge(
        Institution there, string department, bool exact, Institution sender, MatchQuestion q, AllianceSnapshot alliance, FreeCapacity? capacity)
    {
        var reasons = new List<MatchReason>();
        if (q.IsUp)
        {
            Partner(reasons, there, q, "签约合作医院", "The patient's contract names it");
            Emergency(reasons, there, sender, q, alliance);
            Tier(reasons, there, sender, q, alliance);
        }
        else
        {
            if (there.Code == q.CameFrom)
                reasons.Add(new("CAME_FROM", q.Weights["CAME_FROM"], "患者由该机构上转", "It sent the patient up"));
            Partner(reasons, there, q, "签约家庭医生所在机构", "The patient's family doctor works there");
            Service(reasons, there, q, alliance);
        }
        reasons.Add(exact
            ? new("SPECIALTY", q.Weights["SPECIALTY"], "专科对口", "The department treats this")
            : new("GENERAL_DEPARTMENT", q.Weights["GENERAL_DEPARTMENT"], "无对口专科，由大科接诊", "Only the general department treats this"));
        Alliance(reasons, there, sender, q, alliance);
        Grid(reasons, there, q, alliance);
        var free = Waiting(reasons, capacity, q);
        var distance = Distance(reasons, there, sender, q);
        return new(there.Code, department, Clinician(there, department, alliance), reasons.Sum(r => r.Points), free?.On,
            free is { } first ? first.On.DayNumber - q.On.DayNumber : null, free?.Count, distance, [.. reasons.OrderByDescending(r => r.Points).ThenBy(r => r.Code, StringComparer.Ordinal)]);
    }

    private static void Partner(List<MatchReason> reasons, Institution there, MatchQuestion q, string zh, string en)
    {
        if (q.Partners.Contains(there.Code))
            reasons.Add(new("CONTRACT_PARTNER", q.Weights["CONTRACT_PARTNER"], zh, en));
    }

    private static void Emergency(List<MatchReason> reasons, Institution there, Institution sender, MatchQuestion q, AllianceSnapshot alliance)
    {
        if (q.Priority != Priority.Emergency)
            return;
        if (alliance.HasStandingAgreement(sender.Code, there.Code, q.GreenChannel ?? GreenChannel.Other, q.On))
            reasons.Add(new("STANDING_AGREEMENT", q.Weights["STANDING_AGREEMENT"], "已签绿色通道预接收协议，无需等待答复", "A standing agreement accepts it in advance"));
        if (q.GreenChannel is { } channel && there.Services.Contains(channel + "Centre"))
            reasons.Add(new("GREEN_CHANNEL_CENTRE", q.Weights["GREEN_CHANNEL_CENTRE"], "设有该绿色通道救治中心", "Has the centre for this emergency"));
    }

    private static void Tier(List<MatchReason> reasons, Institution there, Institution sender, MatchQuestion q, AllianceSnapshot alliance)
    {
        var up = AllianceSnapshot.Tier(there) - AllianceSnapshot.Tier(sender);
        if (q.Levels.Count > 0 && !q.Levels.Contains(there.Level) && AllianceSnapshot.Tier(there) < q.Levels.Min(AllianceSnapshot.TierOf))
            reasons.Add(new("TIER_BELOW_NEED", q.Weights["TIER_BELOW_NEED"], "级别低于转诊指征所需", "Below the level the indication asks for"));
        // an emergency goes to where it is helped
        if (q.Priority == Priority.Emergency)
            return;
        reasons.Add(up switch
        {
            1 => new("TIER_NEXT", q.Weights["TIER_NEXT"], "逐级转诊的上一级机构", "The next level up"),
            <= 0 => new("TIER_SAME", q.Weights["TIER_SAME"], "与转出机构同级", "Of the sender's own level"),
            _ when alliance.SkipsALevel(sender.Code, there.Code, q.On) => new("TIER_SKIPPED", q.Weights["TIER_SKIPPED"], "越级，须填写理由", "Skips a level: a reason is needed"),
            _ => new("TIER_BY_SPECIALIST_ALLIANCE", q.Weights["TIER_BY_SPECIALIST_ALLIANCE"], "经专科联盟或远程协作网可直接上转", "A specialist alliance or network lets it skip a level"),
        });
    }

    private static void Service(List<MatchReason> reasons, Institution there, MatchQuestion q, AllianceSnapshot alliance)
    {
        if (q.JointWard && there.Services.Contains("RehabJointWard"))
            reasons.Add(new("REHAB_JOINT_WARD", q.Weights["REHAB_JOINT_WARD"], "设有康复联合病房且病种符合", "Has the rehab joint ward this illness may use"));
        var (service, zh) = q.PatientClass switch
        {
            PatientClass.Rehab => ("RehabPhysio", "康复理疗"),
            PatientClass.ChronicStable => ("ChronicClinic", "慢病门诊"),
            PatientClass.PostAcute => ("HomeVisit", "上门随访"),
            PatientClass.Geriatric => (there.Level == "NursingHome" ? null : "HomeVisit", there.Level == "NursingHome" ? "老年照护" : "上门随访"),
            PatientClass.Palliative => (alliance.HasDepartment(there.Code, "24") ? null : "Palliative", "安宁疗护"),
            _ => (null, ""),
        };
        if (service is null && zh.Length == 0)
            return;
        reasons.Add(service is null || there.Services.Contains(service)
            ? new("SERVICE_FITS", q.Weights["SERVICE_FITS"], $"可提供{zh}", "Offers the service this patient needs")
            : new("SERVICE_MISSING", q.Weights["SERVICE_MISSING"], $"未开展{zh}", "Does not offer the service this patient needs"));
    }

    // the closest bond counts: two houses may share several alliances
    private static void Alliance(List<MatchReason> reasons, Institution there, Institution sender, MatchQuestion q, AllianceSnapshot alliance)
    {
        var shared = alliance.SharedAlliances(sender.Code, there.Code, q.On)
            .Select(a => Bond(a, there.Code, q)).OrderByDescending(r => r.Points).ThenBy(r => r.Sentence, StringComparer.Ordinal).FirstOrDefault();
        // no bond weighs against an emergency
        reasons.Add(shared ?? new("OUTSIDE_ALLIANCE", q.Priority == Priority.Emergency ? 0 : q.Weights["OUTSIDE_ALLIANCE"], "不在同一医联体内", "No alliance in common"));
    }

    private static MatchReason Bond(Alliance a, string there, MatchQuestion q) => (a.Form, a.Tightness) switch
    {
        ("CrossRegionSpecialistAlliance", not "Tight") when a.Lead == there =>
            new("SPECIALIST_ALLIANCE_LEAD", q.Weights["SPECIALIST_ALLIANCE_LEAD"], $"「{a.Name}」牵头医院", $"Leads the specialist alliance {a.Name}"),
        (_, "Tight") => new("TIGHT_ALLIANCE", q.Weights["TIGHT_ALLIANCE"], $"同属紧密型「{a.Name}」", $"In the same tight alliance {a.Name}"),
        (_, "SemiTight") => new("SEMI_TIGHT_ALLIANCE", q.Weights["SEMI_TIGHT_ALLIANCE"], $"同属半紧密型「{a.Name}」", $"In the same semi-tight alliance {a.Name}"),
        (_, "Mixed") => new("MIXED_ALLIANCE", q.Weights["MIXED_ALLIANCE"], $"同属「{a.Name}」", $"In the same mixed alliance {a.Name}"),
        _ => new("LOOSE_ALLIANCE", q.Weights["LOOSE_ALLIANCE"], $"同属松散型「{a.Name}」", $"In the same loose alliance {a.Name}"),
    };

    // who is responsible for those who live there (网格化布局)
    private static void Grid(List<MatchReason> reasons, Institution there, MatchQuestion q, AllianceSnapshot alliance)
    {
        var grid = alliance.Grid(q.ResidenceGrid);
        if (there.Code == (q.IsUp ? grid?.Target : grid?.Institution))
            reasons.Add(new("RESIDENCE_GRID_TARGET", q.Weights["RESIDENCE_GRID_TARGET"], q.IsUp ? "患者居住网格的责任上级机构" : "患者居住网格的责任基层机构", "Responsible for the grid the patient lives in"));
        else if (grid?.Alliance is { } responsible && alliance.AlliancesOf(there.Code, q.On).Contains(responsible))
            reasons.Add(new("RESIDENCE_GRID_ALLIANCE", q.Weights["RESIDENCE_GRID_ALLIANCE"], "属患者居住网格的责任医联体", "In the alliance that is responsible for the patient's grid"));
        else if (q.ResidenceGrid is not null && there.Grid == q.ResidenceGrid)
            reasons.Add(new("RESIDENCE_GRID", q.Weights["RESIDENCE_GRID"], "位于患者居住网格内", "In the grid the patient lives in"));
    }

    // full points today, one less each day: earlier is never worse, and free at all is better than full
    private static (DateOnly On, int Count)? Waiting(List<MatchReason> reasons, FreeCapacity? capacity, MatchQuestion q)
    {
        if (capacity is null)
        {
            reasons.Add(new("CAPACITY_UNKNOWN", q.Weights["CAPACITY_UNKNOWN"], "暂无号源床位信息", "Nothing is known of its free places"));
            return null;
        }
        if (capacity.First(q.On) is not { } first)
        {
            reasons.Add(new("FULL", q.Weights["FULL"], "近期号源床位已满", "Nothing is free in the days ahead"));
            return null;
        }
        var days = first.On.DayNumber - q.On.DayNumber;
        var today = q.Weights["FREE_IN_DAYS"];
        reasons.Add(new("FREE_IN_DAYS", Math.Max(today - MatchWeights.MostDays, today - days), days == 0 ? $"今日可约，余 {first.Count}" : $"最早 {first.On:M月d日}可约（{days} 天后），余 {first.Count}",
            $"First free in {days} days, {first.Count} left"));
        return first;
    }

    // full points next door, one less every 5 km (an emergency: every 3): nearer is never worse
    private static int? Distance(List<MatchReason> reasons, Institution there, Institution sender, MatchQuestion q)
    {
        if (there is not { Latitude: { } lat2, Longitude: { } lon2 } || sender is not { Latitude: { } lat1, Longitude: { } lon1 })
            return null;
        var km = Kilometres(lat1, lon1, lat2, lon2);
        reasons.Add(new("DISTANCE", q.Weights["DISTANCE"] - Math.Min(MatchWeights.MostSteps, km / (q.Priority == Priority.Emergency ? 3 : 5)), $"距离约 {km} 公里", $"About {km} km away"));
        return km;
    }

    /// <summary>Great-circle distance in whole kilometres (haversine, mean radius 6371 km, error below 0.6 %).</summary>
    internal static int Kilometres(double lat1, double lon1, double lat2, double lon2)
    {
        const double radians = Math.PI / 180;
        var (dLat, dLon) = ((lat2 - lat1) * radians / 2, (lon2 - lon1) * radians / 2);
        var a = Math.Sin(dLat) * Math.Sin(dLat) + Math.Cos(lat1 * radians) * Math.Cos(lat2 * radians) * Math.Sin(dLon) * Math.Sin(dLon);
        return (int)Math.Round(2 * 6371 * Math.Asin(Math.Min(1, Math.Sqrt(a))), MidpointRounding.AwayFromZero);
    }

    // the most senior doctor of the department; nurses do not take referrals
    private static string? Clinician(Institution there, string department, AllianceSnapshot alliance) => alliance.CliniciansOf(there.Code, department)
        .Where(c => c.Title?.Contains('护') != true)
        .OrderBy(c => c.Title switch { "主任医师" => 0, "副主任医师" => 1, "主治医师" => 2, _ => 3 }).ThenBy(c => c.Id, StringComparer.Ordinal)
        .FirstOrDefault()?.Id;
}
