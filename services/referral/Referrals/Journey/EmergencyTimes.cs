using ReferralService.Workflow;
using ServiceDefaults.Http;

namespace ReferralService.Referrals.Journey;

/// <summary>
/// What an emergency is measured by: first contact, call for help, departure and the door; the arrival is the fifth and
/// has its own move. May be said at once or afterwards, each when it is known.
/// </summary>
/// <param name="FirstContactAt">When a doctor first saw the patient (首次医疗接触).</param>
/// <param name="CalledAt">When help was called (呼救).</param>
/// <param name="DepartedAt">When the patient left the sender (转出).</param>
/// <param name="DoorAt">When the patient came through the door of the emergency room or laboratory (进门).</param>
internal sealed record EmergencyTimes(DateTimeOffset? FirstContactAt, DateTimeOffset? CalledAt, DateTimeOffset? DepartedAt, DateTimeOffset? DoorAt)
{
    public void Check(Checks checks, string at)
    {
        checks.Time(FirstContactAt, at + "/firstContactAt");
        checks.Time(CalledAt, at + "/calledAt");
        checks.Time(DepartedAt, at + "/departedAt");
        checks.Time(DoorAt, at + "/doorAt");
    }

    /// <summary>Notes what is said and keeps what was known; refuses an order of events that cannot have been.</summary>
    public Problem? NoteOn(Referral r, DateTimeOffset now, string at)
    {
        if (!r.IsEmergency)
            return Refusals.Rule(at, "Only an emergency has them.", "仅急诊转诊填写。");
        (string Member, DateTimeOffset? Time)[] said = [("firstContactAt", FirstContactAt), ("calledAt", CalledAt), ("departedAt", DepartedAt), ("doorAt", DoorAt)];
        foreach (var (member, time) in said)
            if (time > now.AddMinutes(5))
                return Refusals.Rule($"{at}/{member}", "Not in the future.", "不能晚于当前时间。");
        if (DoorAt is not null && r.ArrivedAt is null)
            return Refusals.Rule(at + "/doorAt", "The patient has not arrived.", "患者尚未到达。");
        var (first, called, departed, door) = (FirstContactAt ?? r.FirstContactAt, CalledAt ?? r.CalledAt, DepartedAt ?? r.DispatchedAt, DoorAt ?? r.DoorAt);
        if (first > departed)
            return Refusals.Rule(at + "/firstContactAt", "Not after the departure.", "不能晚于转出时间。");
        if (called > (r.ArrivedAt ?? door))
            return Refusals.Rule(at + "/calledAt", "Not after the arrival.", "不能晚于到达时间。");
        if (departed > r.ArrivedAt)
            return Refusals.Rule(at + "/departedAt", "Not after the arrival.", "不能晚于到达时间。");
        if (door < departed)
            return Refusals.Rule(at + "/doorAt", "Not before the departure.", "不能早于转出时间。");
        (r.FirstContactAt, r.CalledAt, r.DispatchedAt, r.DoorAt) = (first, called, departed, door);
        return null;
    }
}
