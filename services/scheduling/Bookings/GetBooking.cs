using Dapper;
using Npgsql;
using SchedulingService.Http;
using ServiceDefaults.Auth;
using ServiceDefaults.Http;

namespace SchedulingService.Bookings;

/// <summary>A booking as its two parties see it: who has the place, and the institution that sent the patient.</summary>
internal sealed record BookingDetail
{
    public required Guid Id { get; init; }
    public required Guid ReferralId { get; init; }
    public required string ReferralNo { get; init; }
    public required int Leg { get; init; }
    public required string Sender { get; init; }
    public required string Institution { get; init; }
    public required string Department { get; init; }
    public required string Resource { get; init; }
    public string? Clinician { get; init; }
    public Guid? SlotId { get; init; }
    public string? Ward { get; init; }
    public string? Bed { get; init; }
    /// <summary>Where to go, in Chinese.</summary>
    public string? Place { get; init; }
    /// <summary>What to bring, in Chinese, one thing each.</summary>
    public IReadOnlyList<string> Bring { get; init; } = [];
    public required DateTimeOffset StartsAt { get; init; }
    public required DateTimeOffset EndsAt { get; init; }
    public required BookingState State { get; init; }
    /// <summary>What the patient shows at the desk; absent once it is burnt or the booking fell away.</summary>
    public string? AppointmentCode { get; init; }
    public Guid? Replaces { get; init; }
    public string? Reason { get; init; }
    public string? Note { get; init; }
    public string? EndedBy { get; init; }
    public DateTimeOffset? EndedAt { get; init; }
    /// <summary>Until when a place that is only held is kept.</summary>
    public DateTimeOffset? HeldUntil { get; init; }
    public required int Version { get; init; }
    public required IReadOnlyList<string> Actions { get; init; }
}

/// <summary>One booking, for its parties.</summary>
internal static class GetBooking
{
    public const string Example = """
        {"id":"3f1d2c9a-5a0e-4d5b-a6f4-1c2d3e4f5a04","referralId":"7c1f3c8e-2c55-4b0a-8f5e-8a1f0f1d9b03","referralNo":"ZZ2611220001","leg":1,"sender":"12210681DEM0001022","institution":"12210600DEM0000149","department":"03.03","resource":"Slot","clinician":"dr-0001","place":"门诊楼三层302诊室","bring":["身份证或社保卡","转诊单","预约码"],"slotId":"0b54f7b8-8f7b-4d2e-9c3a-5f0c6f1f6a01","startsAt":"2026-12-01T01:00:00+00:00","endsAt":"2026-12-01T01:30:00+00:00","state":"Booked","appointmentCode":"7KQ4MX","version":1,"actions":["cancel","reschedule"]}
        """;

    public const string Select = """
        select b.id, b.referral_id, n.referral_no, b.leg, n.sender, b.institution, b.department, b.resource, b.clinician,
               b.slot_id, wd.name as ward, bd.label as bed, b.starts_at, b.ends_at, b.state, b.replaces, b.reason,
               b.note, b.ended_by, b.ended_at, b.version, b.held_until, coalesce(s.place, wd.place, i.place) as place, b.code, i.bring
        from booking b
        join need n using (referral_id)
        left join bed bd on bd.id = b.bed_id
        left join ward wd on wd.id = bd.ward_id
        left join slot s on s.id = b.slot_id
        left join lateral (
            select place, bring from instruction
            where institution = b.institution and department in (b.department, '') and resource = b.resource
            order by department desc
            limit 1
        ) i on true

        """;

    public static void Map(IEndpointRouteBuilder routes) =>
        routes.MapGet("/bookings/{id:guid}", Get).Read<BookingDetail>(
            "getBooking", "Bookings", "One booking with its appointment code, for the institution that has the place and the one that sent the patient.",
            Example, 404);

    private static async Task<IResult> Get(HttpContext http, Guid id, NpgsqlDataSource database, AppointmentCodes codes, TimeProvider clock)
    {
        var (caller, unusable) = Caller.Of(http);
        if (caller is null)
            return new ProblemResult(unusable!);
        if (await Find(database, id, codes) is not { } booking || !IsParty(caller, booking))
            return await Roles.NoParty(database, clock, caller, "booking.read", id.ToString());
        if (!Roles.Staff.Contains(caller.Role))
            return new ProblemResult(Problems.Forbidden);
        await using var connection = await database.OpenConnectionAsync(http.RequestAborted);
        await Auditing.Write(connection, clock.GetUtcNow(), caller, "booking.read", denied: false, [id.ToString()]);
        return Reading.Send(http, booking, ETags.Of(booking.Version));
    }

    public static IReadOnlyList<string> ActionsOf(BookingState state) => state switch
    {
        BookingState.Held => ["confirm", "cancel"],
        BookingState.Booked => ["cancel", "reschedule"],
        _ => [],
    };

    public static bool IsParty(Caller caller, BookingDetail booking) =>
        caller.Institution == booking.Institution || caller.Institution == booking.Sender;

    public static async Task<BookingDetail?> Find(NpgsqlDataSource database, Guid id, AppointmentCodes codes)
    {
        await using var connection = await database.OpenConnectionAsync();
        return (await Details(connection, codes, Select + "where b.id = @id", new { id })).SingleOrDefault();
    }

    public static async Task<IReadOnlyList<BookingDetail>> Details(NpgsqlConnection connection, AppointmentCodes codes, string sql, object parameters) =>
        (await connection.QueryAsync<BookingDetail, byte[], string[]?, BookingDetail>(sql,
            (booking, code, bring) => booking with
            {
                Bring = bring is { Length: > 0 } ? bring : Instructions.Usual(booking.Resource),
                AppointmentCode = booking.State == BookingState.Booked ? codes.Open(booking.Id, code) : null, Actions = ActionsOf(booking.State),
            },
            parameters, splitOn: "code,bring")).AsList();
}
