using Dapper;
using Npgsql;
using Referrals.Contracts;

namespace ReferralService.Notices;

/// <summary>Keeps what scheduling says of an appointment beside its time, for whoever tells the patient.</summary>
internal sealed class AppointmentAdvice(NpgsqlDataSource database)
{
    /// <summary>Where in the institution, and what to bring.</summary>
    public sealed record Said(string? Place, string[] Bring)
    {
        public Said() : this(null, [])
        {
        }
    }

    public async Task Keep(SchedulingFacts facts)
    {
        if (facts.Place is null && facts.Bring is not { Count: > 0 })
            return;
        await using var connection = await database.OpenConnectionAsync();
        // it waits for no disk of its own: the move that follows does, and with its commit this one is safe, too
        await connection.ExecuteAsync("""
            select set_config('synchronous_commit', 'off', true);
            insert into appointment_advice (booking_id, referral_id, place, bring)
            select @BookingId, id, @Place, @bring from referral where id = @ReferralId
            on conflict (booking_id) do update set place = excluded.place, bring = excluded.bring
            """, new { facts.BookingId, facts.ReferralId, facts.Place, bring = (facts.Bring ?? []).ToArray() });
    }

    public static Task<Said?> Of(NpgsqlConnection connection, Guid booking) =>
        connection.QuerySingleOrDefaultAsync<Said>("select place, bring from appointment_advice where booking_id = @booking", new { booking });
}
