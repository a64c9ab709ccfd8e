using System.Text.RegularExpressions;
using Dapper;
using Npgsql;
using SchedulingService.Bookings;
using SchedulingService.Http;
using SchedulingService.Sessions;
using SchedulingService.Waiting;
using ServiceDefaults.Http;

namespace SchedulingService.Slots;

/// <summary>Slots of the caller's institution.</summary>
internal sealed record PublishSlotsRequest(IReadOnlyList<NewSlot> Slots);

/// <param name="Department">Department code (诊疗科目), e.g. 03.03.</param>
/// <param name="Resource">Slot, Equipment, Reading, Session or Visit.</param>
/// <param name="Clinician">Id of the clinician, never a name; one clinician has one slot at a time.</param>
/// <param name="Capacity">How many patients it takes, 1 when absent.</param>
/// <param name="Place">Where to go, in Chinese; patients read it.</param>
/// <param name="ReservedFor">FamilyDoctor: patients with a family-doctor contract alone, until it opens.</param>
/// <param name="OpensAt">When a reserved slot opens to all; a day before it starts when absent.</param>
internal sealed record NewSlot(
    string Department, string Resource, DateTimeOffset StartsAt, DateTimeOffset EndsAt, string? Clinician = null, int Capacity = 1,
    string? Place = null, string? ReservedFor = null, DateTimeOffset? OpensAt = null);

/// <param name="Ids">Ids of the slots in the order they were sent.</param>
/// <param name="Served">How many who waited were booked into them at once.</param>
internal sealed record SlotsPublished(IReadOnlyList<Guid> Ids, int Served);

/// <summary>An institution opens slots; who waits for one is booked at once.</summary>
internal static partial class PublishSlots
{
    private const int Most = 500;
    private static readonly TimeSpan Longest = TimeSpan.FromHours(24);

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapPost("/slots", Publish).Command<PublishSlotsRequest, SlotsPublished>(
            "publishSlots", "Slots", "Publishes slots of your institution; who waits for one is booked at once.",
            """{"slots":[{"department":"03.03","resource":"Slot","startsAt":"2026-12-01T09:00:00+08:00","endsAt":"2026-12-01T09:30:00+08:00","clinician":"dr-0001","capacity":1}]}""",
            201, """{"ids":["0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01"],"served":0}""", 409);

    private static async Task<IResult> Publish(HttpContext http, Commands commands, TimeProvider clock)
    {
        var (command, refused) = await Commands.Read<PublishSlotsRequest>(http);
        if (command is null)
            return refused!;
        if (Check(command.Body, clock.GetUtcNow()) is { } wrong)
            return new ProblemResult(wrong);
        if (!Roles.Publish.Contains(command.Caller.Role))
            return new ProblemResult(Problems.Forbidden);

        return await commands.Run(command.Key, async change =>
        {
            var institution = command.Caller.Institution;
            var slots = command.Body.Slots.Select(s => (Id: Guid.NewGuid(), Slot: s, Line: Line.Of(institution, s.Department, s.Resource))).ToList();
            var lines = slots.Select(s => s.Line).Distinct().ToList();
            await Line.Pass(change, lines);
            try
            {
                await change.Connection.ExecuteAsync("""
                    insert into slot (id, institution, department, resource, line, clinician, starts_at, ends_at, capacity, created_at,
                        place, reserved_for, opens_at)
                    select id, @institution, department, resource, line, clinician, starts_at, ends_at, capacity, @Now,
                        place, reserved_for, opens_at
                    from unnest(@ids, @departments, @resources, @lines, @clinicians, @starts, @ends, @capacities, @places, @reserved, @opens)
                        as new (id, department, resource, line, clinician, starts_at, ends_at, capacity, place, reserved_for, opens_at)
                    """, new
                    {
                        institution, change.Now,
                        ids = slots.Select(s => s.Id).ToArray(),
                        departments = slots.Select(s => s.Slot.Department).ToArray(),
                        resources = slots.Select(s => s.Slot.Resource).ToArray(),
                        lines = slots.Select(s => s.Line.Name).ToArray(),
                        clinicians = slots.Select(s => s.Slot.Clinician).ToArray(),
                        starts = slots.Select(s => s.Slot.StartsAt.UtcDateTime).ToArray(),
                        ends = slots.Select(s => s.Slot.EndsAt.UtcDateTime).ToArray(),
                        capacities = slots.Select(s => s.Slot.Capacity).ToArray(),
                        places = slots.Select(s => s.Slot.Place).ToArray(),
                        reserved = slots.Select(s => s.Slot.ReservedFor).ToArray(),
                        opens = slots.Select(s => s.Slot.ReservedFor is null ? (DateTime?)null : (s.Slot.OpensAt ?? s.Slot.StartsAt.AddDays(-1)).UtcDateTime).ToArray(),
                    });
            }
            catch (PostgresException e) when (e.ConstraintName == "slot_of_a_clinician_at_one_time")
            {
                return SchedulingProblems.SlotOverlaps;
            }
            var served = 0;
            foreach (var line in lines)
                served += (await ServeLine.Serve(change, line)).Count;
            var ids = slots.Select(s => s.Id).ToArray();
            await change.Audit(command.Caller, "slot.publish", ids);
            return Reply.Done(StatusCodes.Status201Created, new SlotsPublished(ids, served));
        }, http.RequestAborted);
    }

    private static Problem? Check(PublishSlotsRequest request, DateTimeOffset now)
    {
        var checks = new Checks();
        checks.That(request.Slots is { Count: >= 1 and <= Most }, "/slots", $"From 1 to {Most} slots at once.", $"一次可提交 1 至 {Most} 个号源。");
        for (var i = 0; checks.Passed && i < request.Slots!.Count; i++)
        {
            var (slot, at) = (request.Slots[i], $"/slots/{i}");
            if (slot is null)
            {
                checks.Required(slot, at);
                continue;
            }
            checks.That(slot.Department is not null && DepartmentCode().IsMatch(slot.Department), at + "/department",
                "A department code of two digits, or with two more after a dot, is needed, e.g. 03.03.", "需要诊疗科目代码，例如 03.03。");
            checks.That(Resources.Timed.Contains(slot.Resource), at + "/resource",
                "One of Slot, Equipment, Reading, Session, Visit; beds belong to wards.", "取值为 Slot、Equipment、Reading、Session、Visit；床位请在病区中设置。");
            checks.That(slot.Clinician is null || ClinicianId().IsMatch(slot.Clinician), at + "/clinician",
                "The id of a clinician: letters, digits, hyphen, at most 40.", "医生编号：字母、数字、连字符，最多 40 个字符。");
            checks.That(slot.EndsAt > slot.StartsAt && slot.EndsAt - slot.StartsAt <= Longest, at + "/endsAt",
                "After startsAt, within 24 hours.", "须晚于 startsAt，且不超过 24 小时。");
            checks.That(slot.StartsAt > now && slot.StartsAt <= now + TakePlace.FurthestAhead, at + "/startsAt", "In the future, within a year.", "须为将来一年之内的时间。");
            Reading.Label(slot.Place, at + "/place", 80, checks, required: false);
            checks.That(slot.ReservedFor is null or SessionPattern.FamilyDoctor, at + "/reservedFor", "FamilyDoctor, or absent.", "取值为 FamilyDoctor，或不填。");
            checks.That(slot.OpensAt is null || slot.ReservedFor is not null && slot.OpensAt <= slot.StartsAt, at + "/opensAt",
                "Not after startsAt, and with reservedFor only.", "不得晚于 startsAt，且仅在设置 reservedFor 时使用。");
            checks.That(slot.Capacity is >= 1 and <= 1000, at + "/capacity", "From 1 to 1000.", "1 至 1000。");
        }
        return checks.Passed ? null : checks.Problem;
    }

    [GeneratedRegex(@"^\d\d(\.\d\d)?\z")]
    internal static partial Regex DepartmentCode();

    [GeneratedRegex(@"^[A-Za-z0-9-]{1,40}\z")]
    internal static partial Regex ClinicianId();
}
