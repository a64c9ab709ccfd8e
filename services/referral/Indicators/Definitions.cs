using ServiceDefaults.Http;

namespace ReferralService.Indicators;

/// <summary>One figure of an indicator: its name, its unit and how it comes from what was counted.</summary>
/// <param name="SpeaksOf">How many referrals (or legs, or results) the smallest group has that it tells something of.</param>
internal sealed record Figure(string Name, string Unit, Func<Tally, decimal?> Of, Func<Tally, long> SpeaksOf);

/// <summary>One of the sixteen indicators, with the words that are published beside its figures.</summary>
internal sealed record Definition(int No, string Code, Text Name, Text Meaning, params Figure[] Figures);

/// <summary>The sixteen indicators. What stands here is what <c>/v1/indicators/definitions</c> serves.</summary>
internal static class Definitions
{
    /// <summary>What holds for all of them.</summary>
    public static readonly Text Rules = new(
        "A referral counts in the period of the calendar day (Asia/Shanghai) on which it was submitted. Times are those of the events, in whole seconds. "
        + "Referrals marked in error do not count; what was typed in afterwards (RETRO_ENTRY) has no durations. Median and p90 are values that occurred: "
        + "the smallest that half, or nine tenths, do not exceed. A share without a denominator is null. "
        + "By member, a referral counts for its sender and for its receiver, once for each: what members sent adds up to the whole, what they sent and received does not.",
        "按提交日（北京时间）归入统计周期；时间取自事件，以整秒计。录入错误的转诊不计入；补录转诊不计时长。中位数与P90取实际发生值。分母为零时为空。按成员机构统计时，每例分别计入转出机构与接收机构各一次：各成员转出量之和等于总量，转出与接收合计则不等。");

    private static Figure Count(string name, Func<Tally, long> of) => new(name, "referrals", t => of(t), of);

    private static Figure Seconds(string name, Func<Tally, long?> of, Func<Tally, long> n) => new(name, "seconds", t => of(t), n);

    private static Figure Share(string name, Func<Tally, long> part, Func<Tally, long> whole) =>
        new(name, "share", t => Ratio(part(t), whole(t)), t => Smaller(part(t), whole(t)));

    // a share tells of those who are in it, and of those who are not
    private static long Smaller(long part, long whole) => part <= 0 || part >= whole ? Math.Max(part, whole) : Math.Min(part, whole - part);

    private static decimal? Ratio(long part, long whole) => whole == 0 ? null : Math.Round((decimal)part / whole, 4, MidpointRounding.AwayFromZero);

    public static readonly IReadOnlyList<Definition> All =
    [
        new(1, "volume", new("Up and down", "上转与下转量"),
            new("Referrals submitted upward and downward, and how many down for each up. Neither direction is good in itself: they are never added to one score.",
                "提交的上转、下转例数及下转与上转之比；两者分别公布，不合成一个分数。"),
            Count("up", t => t.Up), Count("down", t => t.Down), Share("downPerUp", t => t.Down, t => t.Up)),
        new(2, "turnaround", new("Turnaround", "转诊办理时长"),
            new("From submitted to the first scheduled; emergencies left out. Anchor: a mean of three days, then four hours.",
                "自提交至首次预约成功；急诊除外。参照：平均3天缩短至4小时。"),
            Count("scheduled", t => t.Turnarounds),
            new("mean", "seconds", t => t.Turnarounds == 0 ? null : Math.Round((decimal)t.TurnaroundSeconds / t.Turnarounds, 1, MidpointRounding.AwayFromZero), t => t.Turnarounds),
            Seconds("median", t => t.TurnaroundMedian, t => t.Turnarounds), Seconds("p90", t => t.TurnaroundP90, t => t.Turnarounds)),
        new(3, "answers", new("Answers", "接诊、拒绝、建议与超时"),
            new("Of the legs (one target institution each; emergencies left out): the first answer, and the time from the leg's beginning to it. "
                + "Withdrawn: the sender ended it first. Taken back: accepted and declined afterwards.",
                "按转诊段（每一接收机构一段，急诊除外）统计首次答复及其时长。withdrawn 为转出方先行终止；takenBack 为接诊后又撤回。"),
            new("legs", "legs", t => t.Legs, t => t.Legs), Share("accepted", t => t.Accepted, t => t.Legs), Share("declined", t => t.Declined, t => t.Legs),
            Share("advised", t => t.Advised, t => t.Legs), Share("reported", t => t.Reported, t => t.Legs), Share("expired", t => t.Expired, t => t.Legs),
            Share("redirected", t => t.Redirected, t => t.Legs), Share("withdrawn", t => t.Withdrawn, t => t.Legs),
            Share("unanswered", t => t.Unanswered, t => t.Legs), Share("takenBack", t => t.TakenBack, t => t.Accepted),
            Seconds("acceptMedian", t => t.AcceptMedian, t => t.Accepted), Seconds("acceptP90", t => t.AcceptP90, t => t.Accepted), Seconds("declineMedian", t => t.DeclineMedian, t => t.Declined),
            Seconds("declineP90", t => t.DeclineP90, t => t.Declined), Seconds("adviseMedian", t => t.AdviseMedian, t => t.Advised), Seconds("adviseP90", t => t.AdviseP90, t => t.Advised),
            Seconds("expireMedian", t => t.ExpireMedian, t => t.Expired)),
        new(4, "loop-closure", new("Closed loop", "48小时闭环"),
            new("Of the rehab-eligible treated: whose return was accepted below within 48 hours (from the arrival, or from the acceptance where the alliance had set its timer Treatment so), and who arrived below.",
                "符合康复下转条件的已治疗者中：48小时内（默认自到达起）下转被接收的比例，以及已在下级机构到达的比例。"),
            Count("eligible", t => t.Eligible), Share("acceptedWithin48Hours", t => t.ReturnedWithin48Hours, t => t.Eligible), Share("returned", t => t.Returned, t => t.Eligible)),
        new(5, "down-gap", new("Down gap", "应转未转"),
            new("Of the rehab-eligible treated: those whose return timer (24 hours) passed without a way back, counted by its missed deadline.",
                "符合条件的已治疗者中，下转时限（24小时）已过仍未下转者，以超时事件计。"),
            Count("heldOver", t => t.HeldOver), Share("share", t => t.HeldOver, t => t.Eligible)),
        new(6, "follow-up", new("Followed up", "下转随访率"),
            new("Of the downward referrals whose patient arrived: those with at least one follow-up; an attempt that reached nobody is none.", "已到达的下转患者中至少随访一次的比例；未联系到患者的不计。"),
            Count("arrived", t => t.DownArrived), Share("followed", t => t.DownFollowed, t => t.DownArrived)),
        new(7, "inside", new("Inside the alliance and the region", "医联体内比例与外转率"),
            new("All: sender and receiver were members of one alliance on the day. Upward: it left region and alliance (外转): "
                + "the receiver lies in another region and shared no alliance with the sender on the day.",
                "全部转诊中，双方当日同属一个医联体的比例；上转中，转出本区域且不在同一医联体内（外转）的比例。"),
            Count("inAlliance", t => t.InAlliance), Share("inAllianceShare", t => t.InAlliance, t => t.Up + t.Down),
            Count("outOfRegion", t => t.OutOfRegion), Share("outOfRegionShare", t => t.OutOfRegion, t => t.Up)),
        new(8, "no-indication", new("Without indication", "无指征上转"),
            new("Upward referrals that were submitted over the warning that nothing in the rules calls for one.", "在“无转诊指征”提示下仍提交的上转比例。"),
            Count("without", t => t.NoIndication), Share("share", t => t.NoIndication, t => t.Up)),
        new(9, "repeat-examinations", new("Repeated examinations", "互认项目重复检查"),
            new("Recognised results (互认) that came with referrals, and examinations of the same item that the receiver did again, with its reason.",
                "随转诊提交的互认结果数，以及接收机构说明理由后重复检查的次数。"),
            new("recognised", "results", t => t.RecognisedResults, t => t.RecognisedResults), new("repeated", "results", t => t.RepeatedExaminations, t => t.RepeatedExaminations),
            Share("share", t => t.RepeatedExaminations, t => t.RecognisedResults)),
        new(10, "attendance", new("No-shows and waiting", "爽约与候补"),
            new("Of those who were booked or on the way (emergencies left out): who did not come at least once. Of the accepted that need a place: who had to wait for one.",
                "已预约或在途者（急诊除外）中至少爽约一次的比例；需预约的已接收者中进入候补的比例。"),
            Count("expected", t => t.Expected), Share("noShow", t => t.Missed, t => t.Expected), Count("accepted", t => t.ToBook), Share("waitlisted", t => t.Waitlisted, t => t.ToBook)),
        new(11, "first-contact", new("First contact, a proxy", "基层首诊（替代指标）"),
            new("Of the upward referrals: those a primary institution sent. Visits are not known here, so it is a proxy and says so.",
                "上转中由基层机构发起的比例；本系统不掌握就诊量，故为替代指标。"),
            Count("fromPrimary", t => t.UpFromPrimary), Share("share", t => t.UpFromPrimary, t => t.Up)),
        new(12, "satisfaction", new("Satisfaction", "满意度"),
            new("The last rating of each referral, 1 to 5: mean, and the share of 4 and 5.", "每例最后一次评分（1至5）：均值及4至5分占比。"),
            Count("rated", t => t.Rated),
            new("mean", "points", t => t.Rated == 0 ? null : Math.Round((decimal)t.RatingSum / t.Rated, 2, MidpointRounding.AwayFromZero), t => t.Rated),
            Share("good", t => t.RatedGood, t => t.Rated)),
        new(13, "refusals", new("Refusals and silences", "拒绝与沉默"),
            new("Legs declined, suspected refusals (推诿: declined or taken back without a reason that justifies it, expired, or sent on because nobody answered), and legs "
                + "whose answer had to be urged. By hospital and clinician: /v1/accountability/refusals.",
                "被拒绝的转诊段、疑似推诿（无正当理由拒绝或撤回、超时、因无人应答改转）及被催办的转诊段。按医院与医生统计见 /v1/accountability/refusals。"),
            new("declined", "legs", t => t.Declined, t => t.Declined), new("suspected", "legs", t => t.SuspectedRefusals, t => t.SuspectedRefusals),
            Share("suspectedShare", t => t.SuspectedRefusals, t => t.Legs), new("silent", "legs", t => t.SilentLegs, t => t.SilentLegs), Share("silentShare", t => t.SilentLegs, t => t.Legs)),
        new(14, "emergency", new("Emergencies", "急诊绿色通道"),
            new("From the emergency's beginning (submitted as one, or made one) to acknowledged, and to arrived; who arrives unacknowledged is acknowledged by that.",
                "自急诊开始至确认、至到达的时长；未确认即到达者以到达计。"),
            Count("emergencies", t => t.Emergencies), Count("acknowledged", t => t.Acknowledged), Seconds("acknowledgeMedian", t => t.AcknowledgeMedian, t => t.Acknowledged),
            Seconds("acknowledgeP90", t => t.AcknowledgeP90, t => t.Acknowledged), Count("arrived", t => t.EmergencyArrived), Seconds("arrivalMedian", t => t.ArrivalMedian, t => t.EmergencyArrived), Seconds("arrivalP90", t => t.ArrivalP90, t => t.EmergencyArrived)),
        new(15, "missed-deadlines", new("Missed deadlines", "超时"),
            new("Deadlines that passed (missed, escalated, follow-up overdue), and referrals with at least one; what is escalated because nobody was reached is none. 'missed' lists them by timer and level.",
                "超时次数（含升级与随访逾期，不含因联系不到患者的升级）及至少一次超时的转诊数；missed 按时限与级别列出。"),
            new("deadlines", "deadlines", t => t.MissedDeadlines, t => t.LateReferrals), Count("referrals", t => t.LateReferrals), Share("share", t => t.LateReferrals, t => t.Up + t.Down)),
        new(16, "family-doctor-slots", new("Places kept for family doctors", "家庭医生预留号源使用"),
            new("Of the upward referrals that were booked: those with a place out of a pool that is reserved for contracted patients, as scheduling says of the booking; "
                + "and those whose patient has a contract with the sender. How many places the pools offer: GET /v1/pools of the scheduling service.",
                "已预约的上转中，使用家庭医生预留号源（以预约服务所报为准）的比例，以及与转出机构有签约的患者比例。号源池总量见预约服务 GET /v1/pools。"),
            Count("booked", t => t.Booked), Count("fromPools", t => t.BookedPooled), Share("fromPoolsShare", t => t.BookedPooled, t => t.Booked),
            Count("contracted", t => t.BookedContracted), Share("share", t => t.BookedContracted, t => t.Booked)),
    ];
}
