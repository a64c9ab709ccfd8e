using Dapper;
using Npgsql;
using ReferralService.Notices;
using ReferralService.Patients;
using ReferralService.Referrals;
using ServiceDefaults.Http;
using ServiceDefaults.Messaging;
using ServiceDefaults.Storage;

namespace ReferralService.Workflow;

/// <summary>How a write ended.</summary>
internal enum Saved
{
    Done,
    /// <summary>Somebody else moved the row first: nothing was written.</summary>
    LostRace,
    /// <summary>The same Idempotency-Key was written by another request: nothing was written.</summary>
    Repetition,
    /// <summary>The same message was handled before: nothing was written.</summary>
    AlreadyHandled,
}

/// <summary>One referral of a write: the row as it shall be, what it was before, and the moves that made it so.</summary>
internal sealed class Unit(Referral referral, long readVersion, byte[]? wrappedKey, NewReferral? isNew)
{
    public Referral Referral => referral;
    /// <summary>The version the row must still have.</summary>
    public long ReadVersion => readVersion;
    public byte[]? WrappedKey => wrappedKey;
    public NewReferral? New => isNew;
    public List<Move> Moves { get; } = [];
}

/// <summary>What is stored in the same transaction beside the referrals.</summary>
/// <param name="Key">Idempotency key of the request, with the answer to keep.</param>
/// <param name="MessageId">Message that caused it, with its consumer.</param>
internal sealed record Alongside(IdempotencyKey? Key, KeptAnswer? Answer, Guid? MessageId = null, string? Consumer = null, string Purpose = "TREATMENT")
{
    /// <summary>What the patient of an appointment is told beside its time.</summary>
    public AppointmentAdvice? Advice { get; init; }
}

/// <summary>
/// Reads referrals, and stores what a command made of them: row, history, outbox, slip, inbox, idempotency key and
/// audit in one round trip and one commit (<see cref="ReferralWrite"/>), shared with the commands that arrived with
/// it. Everything of a command is stored, or nothing.
/// </summary>
internal sealed class ReferralStore
{
    private readonly NpgsqlDataSource _database;
    private readonly PatientKeys _keys;
    private readonly Outbox _outbox;
    private readonly SharedCommits<Stored> _commits;

    public ReferralStore(NpgsqlDataSource database, PatientKeys keys, Outbox outbox)
    {
        (_database, _keys, _outbox) = (database, keys, outbox);
        _commits = new(Write);
    }

    /// <summary>A referral by id or number with its person's wrapped key; null when there is none.</summary>
    public async Task<(Referral Referral, byte[]? WrappedKey)?> Find(string idOrNumber)
    {
        await using var connection = await _database.OpenConnectionAsync();
        return Guid.TryParse(idOrNumber, out var id)
            ? await Load(connection, ById, new { id })
            : await Load(connection, ByNumber, new { number = idOrNumber.ToUpperInvariant() });
    }

    // columns by name: a column that the next version adds must not change what a prepared statement returns
    private static readonly string ById = $"""
        select r.*, drafted_by(linked_id) as link_drafted_by, was_discarded(linked_id) as link_discarded, p.wrapped_key
        from (select {ReferralColumns.Names} from referral) r join patient p on p.id = r.patient_id where r.id = @id
        """;

    private static readonly string ByNumber = $"""
        select r.*, drafted_by(linked_id) as link_drafted_by, was_discarded(linked_id) as link_discarded, p.wrapped_key
        from (select {ReferralColumns.Names} from referral) r join patient p on p.id = r.patient_id where r.referral_no = @number
        """;

    private static async Task<(Referral, byte[]?)?> Load(NpgsqlConnection connection, string sql, object parameters)
    {
        var found = await connection.QueryAsync<Referral, Wrapped, (Referral, byte[]?)>(
            sql, (referral, key) => (Remembering(referral), key?.WrappedKey), parameters, splitOn: "wrapped_key");
        foreach (var row in found)
            return row;
        return null;
    }

    private sealed record Wrapped(byte[]? WrappedKey);

    private static Referral Remembering(Referral r)
    {
        r.Told = new(r.State, r.Leg, r.Priority, r.SlipVersion);
        return r;
    }

    /// <summary>Stores all units or none. On <see cref="Saved.LostRace"/> read again and decide again.</summary>
    public Task<Saved> Save(IReadOnlyList<Unit> units, Alongside alongside)
    {
        var command = Stored.Of(units, alongside, _keys);
        _commits.Add(command);
        return command.Result;
    }

    private async Task Write(IReadOnlyList<Stored> group)
    {
        try
        {
            var (stored, published) = await ReferralWrite.Execute(_database, group);
            _outbox.Committed(published);
            foreach (var command in group)
                command.Is(stored.Contains(command.Id) ? Saved.Done : Saved.LostRace);
        }
        catch (PostgresException) when (group.Count > 1)
        {
            // one of them does not fit: it must not take the others along
            foreach (var command in group)
                await Write([command]);
        }
        catch (Exception e)
        {
            foreach (var command in group)
                if (Meaning(e) is { } saved)
                    command.Is(saved);
                else
                    command.Failed(e);
        }
    }

    private static Saved? Meaning(Exception e) => e switch
    {
        PostgresException p when Idempotency.IsRepetition(p) => Saved.Repetition,
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "inbox_pk" } => Saved.AlreadyHandled,
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, ConstraintName: "history_pkey" or "referral_one_live_return" } => Saved.LostRace,
        // raised by the function lost_race()
        PostgresException { SqlState: "RF001" or PostgresErrorCodes.DeadlockDetected } => Saved.LostRace,
        _ => null,
    };
}
