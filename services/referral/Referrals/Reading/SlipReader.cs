using Dapper;
using Npgsql;
using ReferralService.Patients;
using ReferralService.Referrals.Intake;
using ReferralService.Workflow;
using ServiceDefaults.Auth;

namespace ReferralService.Referrals.Reading;

/// <summary>Opens what is kept under a person's key; null everywhere once the key is destroyed.</summary>
internal sealed class SlipReader(NpgsqlDataSource database, Wall wall, PatientKeys keys)
{
    private sealed record Sealed(byte[]? WrappedKey, byte[]? Identity, byte[]? Content);

    /// <summary>The newest version of the slip.</summary>
    public async Task<ReferralForm?> Newest(Referral referral, byte[]? wrappedKey)
    {
        await using var connection = await database.OpenConnectionAsync();
        var content = await connection.ExecuteScalarAsync<byte[]?>(
            "select content from slip where referral_id = @Id and version = @SlipVersion", referral);
        return content is null || wrappedKey is null ? null : keys.Open<ReferralForm>(wrappedKey, content);
    }

    /// <summary>The person's key, wrapped; null once it is destroyed.</summary>
    public async Task<byte[]?> KeyOf(Referral referral)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<byte[]?>("select wrapped_key from patient where id = @PatientId", new { referral.PatientId });
    }

    /// <summary>Who it is about.</summary>
    public async Task<Identity?> Person(Referral referral, byte[]? wrappedKey)
    {
        await using var connection = await database.OpenConnectionAsync();
        var identity = await connection.ExecuteScalarAsync<byte[]?>("select identity from patient where id = @PatientId", new { referral.PatientId });
        return identity is null || wrappedKey is null ? null : keys.Open<Identity>(wrappedKey, identity);
    }

    /// <summary>The person was corrected, restricted or erased at any time.</summary>
    public async Task<bool> PersonChanged(Referral referral)
    {
        await using var connection = await database.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<bool>("select masked is not null or restricted_at is not null from patient where id = @PatientId", new { referral.PatientId });
    }

    /// <summary>Slip and patient in one round trip, with the audit row of the reading.</summary>
    public async Task<(ReferralForm? Slip, Identity? Patient)> Read(Referral referral, Caller caller, DateTimeOffset now, string action = "read-patient")
    {
        // the row that says who read it is written by the same statement that reads it
        var found = (await wall.Query<Sealed>(caller, """
            with read as (
                insert into audit (at, subject, institution, role, on_behalf_of, purpose, action, verdict, referral_id)
                values (@now, @Subject, @Institution, @role, @OnBehalfOf, @Purpose, @action, 'allowed', @id)
            )
            select p.wrapped_key, p.identity, s.content
            from patient p left join slip s on s.referral_id = @id and s.version = @version
            where p.id = @patient
            """, new
        {
            now, action, caller.Subject, caller.Institution, role = caller.Role.ToString(), caller.OnBehalfOf, caller.Purpose, id = referral.Id,
            version = referral.SlipVersion, patient = referral.PatientId,
        })).SingleOrDefault();
        if (found?.WrappedKey is not { } wrapped)
            return (null, null);
        return (found.Content is null ? null : keys.Open<ReferralForm>(wrapped, found.Content),
            found.Identity is null ? null : keys.Open<Identity>(wrapped, found.Identity));
    }

    public string? Words(byte[]? wrappedKey, byte[]? words) =>
        words is null ? null : wrappedKey is null ? "(erased)" : keys.Open(wrappedKey, words);
}
