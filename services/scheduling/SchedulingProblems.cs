using ServiceDefaults.Http;

namespace SchedulingService;

/// <summary>The refusals only this service gives.</summary>
internal static class SchedulingProblems
{
    public static readonly ProblemType SlotTaken = new("slot-taken", 409,
        new("The slot has been taken", "该号源已被占用"),
        new("Choose one of 'alternatives', or another free slot.", "请从 alternatives 中选择，或另选空闲号源。"));
    public static readonly ProblemType BedTaken = new("bed-taken", 409,
        new("The bed is taken at that time", "该床位在该时间已被占用"),
        new("Choose one of 'alternatives', or another day.", "请从 alternatives 中选择，或另选日期。"));
    public static readonly ProblemType SlotOverlaps = new("slot-overlaps", 409,
        new("The clinician has another slot at that time", "该医生在此时段已有其他号源"),
        new("Publish a slot that does not overlap, or raise the capacity of the one that stands.", "请发布不重叠的时段，或增加已有号源的容量。"));
    public static readonly ProblemType WardExists = new("ward-exists", 409,
        new("Your institution has a ward of that name", "本机构已有同名病区"),
        new("Use another name.", "请使用其他名称。"));
    public static readonly ProblemType BookingEnded = new("booking-ended", 409,
        new("The booking no longer stands", "该预约已不再有效"),
        new("'state' says what became of it; look for the referral's newest booking.", "state 说明其当前状态；请查看该转诊的最新预约。"));
    public static readonly ProblemType BookingStands = new("booking-stands", 409,
        new("The booking is in another state", "该预约处于其他状态"),
        new("'state' says where it stands, 'actions' what can be done with it.", "state 说明其当前状态，actions 列出可执行的操作。"));
    public static readonly ProblemType OtherPlace = new("other-place", 422,
        new("The booking cannot move there", "该预约不能改到所选位置"),
        new("Choose a place of the same institution and kind, in the future and within a year.", "请选择同一机构、同类型、将来一年之内的号源或床位。"));
    public static readonly ProblemType PlaceInUse = new("place-in-use", 409,
        new("Patients have this place", "该号源或床位已有患者使用"),
        new("Move or cancel their bookings first, or withdraw the slot as a whole.", "请先调整或取消其预约，或整体停用该号源。"));
    public static readonly ProblemType PlaceGone = new("place-gone", 409,
        new("The place is over or was withdrawn", "该号源或床位已结束或已停用"),
        new("Look at the list of what stands now.", "请查看当前有效的列表。"));

    public static readonly ProblemType SlotReserved = new("slot-reserved", 409,
        new("The slot is reserved for patients with a family-doctor contract", "该号源预留给家庭医生签约患者"),
        new("Choose one of 'alternatives', or wait until 'opensAt'; the clinic's quota of the week may be used up.", "请从 alternatives 中选择，或等到 opensAt 开放；本机构本周配额可能已用完。"));
    public static readonly ProblemType WantsNoPlace = new("wants-no-place", 409,
        new("The referral wants no place now", "该转诊当前不需要预约"),
        new("'state' says where it stands; a place is booked after it was accepted and before the patient is there.", "state 说明其当前状态；预约在接受之后、到达之前进行。"));
    public static readonly ProblemType AlreadyBooked = new("already-booked", 409,
        new("The referral has a place or holds one", "该转诊已有预约或正在占号"),
        new("Reschedule the booking 'bookingId', or hold the new place and confirm it.", "请改约 bookingId，或先占用新号源再确认。"));
    public static readonly ProblemType TooEarly = new("too-early", 409,
        new("It is too early to check in", "尚未到报到时间"),
        new("The desk can check the patient in from 'from' on.", "请在 from 之后办理报到。"));
    public static readonly ProblemType NewerBooking = new("newer-booking", 409,
        new("The patient has been booked again", "该患者已重新预约"),
        new("A newer booking stands: the code of 'bookingId' counts, for 'startsAt'; to take the patient earlier, move that booking first.",
            "已有新的预约：以 bookingId 的预约码为准，时间见 startsAt；如需提前就诊，请先改约。"));

    public static readonly ProblemType WardOpenToAll = new("ward-open-to-all", 422,
        new("The ward takes anyone", "该病区未限定收治对象"),
        new("A joint ward is for the patients of a set: name it in 'eligibility', e.g. RehabJointWard.", "联合病房须限定病种集：请填写 eligibility，例如 RehabJointWard。"));
    public static readonly ProblemType UnknownSet = new("unknown-set", 422,
        new("No referral names such a set", "没有转诊使用该病种集"),
        new("Take one of 'sets', as it is spelled there; a ward of another set would take nobody.", "请按 sets 中的写法选择；否则该病区收不到任何患者。"));
    public static readonly ProblemType NoSuchRound = new("no-such-round", 422,
        new("No round is planned at that time", "该时间没有计划查房"),
        new("Take plannedAt from the list of rounds, or leave it out.", "请从查房列表中选择 plannedAt，或不填。"));
    public static readonly ProblemType RoundMade = new("round-made", 409,
        new("That round is on record already", "该次查房已登记"),
        new("Look at the list of rounds.", "请查看查房列表。"));

    public static readonly IReadOnlyList<ProblemType> All =
    [
        SlotTaken, BedTaken, SlotReserved, SlotOverlaps, WardExists, BookingEnded, BookingStands, AlreadyBooked, WantsNoPlace, TooEarly, NewerBooking, OtherPlace,
        PlaceInUse, PlaceGone, WardOpenToAll, UnknownSet, NoSuchRound, RoundMade,
    ];
}
