using Dapper;
using Npgsql;
using ReferralService.Patients;
using ReferralService.Referrals;
using ServiceDefaults.Auth;

namespace ReferralService.Privacy;

/// <summary>As what somebody opened a referral who may still look.</summary>
internal enum OpeningKind
{
    /// <summary>A party showed itself what is masked.</summary>
    Reveal,
    /// <summary>Somebody looked at what is not theirs.</summary>
    BreakGlass,
}

/// <summary>The openings of referrals: by whom, what for, until when; the words under the patient's key.</summary>
internal sealed class Openings(NpgsqlDataSource database, PatientKeys keys)
{
    /// <summary>Adds one. It is never changed: it ends by its time.</summary>
    public async Task Add(Guid id, OpeningKind kind, Referral referral, byte[] wrappedKey, Caller caller, string purpose, string words,
        DateTimeOffset now, TimeSpan lasts, NpgsqlConnection? connection = null, NpgsqlTransaction? transaction = null)
    {
        await using var own = connection is null ? await database.OpenConnectionAsync() : null;
        await (connection ?? own)!.ExecuteAsync("""
            insert into opening (id, referral_id, kind, subject, institution, role, department, purpose, words, at, until)
            values (@id, @referral, @kind, @Subject, @Institution, @role, @Department, @purpose, @words, @now, @until)
            """, new
        {
            id, referral = referral.Id, kind = kind.ToString(), caller.Subject, caller.Institution, role = caller.Role.ToString(), caller.Department,
            purpose, words = keys.Seal(wrappedKey, words), now, until = now + lasts,
        }, transaction);
    }

    /// <summary>This person's turn to break the glass: whoever else comes in their name, at whichever instance, waits until it is disposed.</summary>
    public static async Task<NpgsqlTransaction> Turn(Caller caller, NpgsqlConnection connection)
    {
        var turn = await connection.BeginTransactionAsync();
        await connection.ExecuteAsync("select pg_advisory_xact_lock(hashtextextended(@who, 0))", new { who = $"break-glass|{caller.Institution}|{caller.Subject}" }, turn);
        return turn;
    }

    /// <summary>How often this person broke the glass since, and when for the first time; counted within their turn.</summary>
    public static async Task<(long Times, DateTimeOffset? First)> BrokenSince(Caller caller, DateTimeOffset since, NpgsqlTransaction turn)
    {
        var (times, first) = await turn.Connection!.QuerySingleAsync<(long, DateTime?)>("""
            select count(*), min(at) from opening
            where institution = @Institution and kind = 'BreakGlass' and subject = @Subject and at > @since
            """, new { caller.Institution, caller.Subject, since }, turn);
        return (times, first is { } at ? new DateTimeOffset(at, TimeSpan.Zero) : null);
    }
}
