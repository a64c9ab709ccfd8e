using Dapper;
using Npgsql;
using Referrals.Contracts;

namespace ReferralService.Notices;

/// <summary>
/// What scheduling says of an appointment beside its time: where in the institution, and what to bring. It is stored
/// with the move that records the booking, for whoever tells the patient of that.
/// </summary>
internal sealed record AppointmentAdvice(Guid BookingId, string? Place, string[] Bring)
{
    public AppointmentAdvice() : this(default, null, [])
    {
    }

    /// <summary>Null where nothing is said.</summary>
    public static AppointmentAdvice? Of(SchedulingFacts facts) => facts.Place is null && facts.Bring is not { Count: > 0 } ? null
        : new(facts.BookingId!.Value, facts.Place, [.. facts.Bring ?? []]);

    public static Task<AppointmentAdvice?> Find(NpgsqlConnection connection, Guid booking) =>
        connection.QuerySingleOrDefaultAsync<AppointmentAdvice>("select booking_id, place, bring from appointment_advice where booking_id = @booking", new { booking });
}
